from __future__ import annotations

import json
import re

import pytest
from tests.dashboards.panels import panels, queries, variable_queries

from chrysaetos.dashboards import DASHBOARDS, GATEWAY, load_dashboard
from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

ALL = pytest.mark.parametrize("name", DASHBOARDS)


@ALL
def test_each_query_is_promql(name):
    found = list(queries(name))
    assert len(found) > 10
    for title, expression in found:
        assert parse(expression, DEFAULT_BOUNDS).selectors, title
    for expression in variable_queries(name):
        assert parse(expression, DEFAULT_BOUNDS).selectors


@ALL
def test_the_main_metric_is_in_the_dashboard(name):
    used = {
        selector.name
        for _, expression in queries(name)
        for selector in parse(expression, DEFAULT_BOUNDS).selectors
    }
    assert DASHBOARDS[name] in used


@ALL
def test_every_variable_is_declared(name):
    content = json.loads(load_dashboard(name))
    declared = {variable["name"] for variable in content["templating"]["list"]}
    text = json.dumps([panel["targets"] for panel in content["panels"]])
    used = set(re.findall(r"\$\{?(\w*[a-z]\w*)", text)) - {"__rate_interval"}
    assert used == declared


@ALL
def test_panels_are_numbered_and_do_not_overlap(name):
    assert [panel["id"] for panel in panels(name)] == list(range(1, len(panels(name)) + 1))
    taken: set[tuple[int, int]] = set()
    for panel in panels(name):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in rows}
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("name", [name for name in DASHBOARDS if name != GATEWAY])
def test_only_those_who_see_several_projects_choose_one(name):
    shown, hidden = json.loads(load_dashboard(name)), json.loads(load_dashboard(name, choose_project=False))
    assert shown != hidden
    for variable in hidden["templating"]["list"]:
        assert (variable.pop("hide", 0) == 2) == (variable["name"] == "project")
    assert shown == hidden


def test_the_gateway_s_dashboard_has_no_project():
    assert json.loads(load_dashboard(GATEWAY, choose_project=False)) == json.loads(load_dashboard(GATEWAY))


def test_uids_have_at_most_40_characters():
    uids = {json.loads(load_dashboard(name))["uid"] for name in DASHBOARDS}
    assert len(uids) == 4
    assert max(map(len, uids)) <= 40


def test_the_names_of_dashboards_are_those_of_the_gateway_s_metrics():
    always = {family.name for family in Telemetry().registry.collect()}
    assert DASHBOARDS[GATEWAY] in always
