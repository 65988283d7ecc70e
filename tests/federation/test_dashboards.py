from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.rule_files import rules_in

from chrysaetos.federation.dashboards import dashboards
from chrysaetos.federation.rules import alert_rules, credit_rules, quota_rules, recording_rules
from chrysaetos.promql.parser import DEFAULT_BOUNDS, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHBOARDS = {name: json.loads(text) for name, text in dashboards().items()}
RECORDED = {
    rule["record"]
    for file in (recording_rules("1m"), credit_rules("1m"), quota_rules("1m"))
    for rule in rules_in(file)
    if "record" in rule
}
SCRAPED = {
    *("up", "scrape_duration_seconds", "scrape_samples_scraped", "ALERTS", "usage_exporter_up"),
    *("usage_exporter_source_up", "usage_exporter_problem", "usage_exporter_counted_until_timestamp_seconds"),
}


def queries() -> Iterator[tuple[str, str]]:
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}: {target['refId']}", target["expr"]


def filled(expression: str) -> str:
    """Replace variables as Grafana does."""
    return expression.replace("$__range", "30d").replace("$count", "10")


def test_all_dashboards_are_generated() -> None:
    assert set(DASHBOARDS) == {
        *("usage-project", "usage-site", "usage-top", "usage-freshness"),
        *("usage-credits", "usage-quotas"),
    }


@pytest.mark.parametrize(("where", "expression"), list(queries()), ids=lambda text: str(text)[:60])
def test_queries_are_promql_and_use_existing_metrics(where: str, expression: str) -> None:
    query = parse(filled(expression), DEFAULT_BOUNDS)
    assert query.selectors, where
    assert {selector.name for selector in query.selectors} <= RECORDED | SCRAPED, where
    assert re.findall(r"\$(?!location|project)\w+", filled(expression)) == []


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_dashboards_have_the_structure_that_grafana_expects(name: str) -> None:
    dashboard: dict[str, Any] = DASHBOARDS[name]
    assert dashboard["uid"] == name
    assert dashboard["schemaVersion"] >= 38
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 0
    used = set()
    for panel in panels:
        for part in (panel, *panel["targets"]):
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        used |= {hit for target in panel["targets"] for hit in re.findall(r"\$(\w+)", target["expr"])}
    assert used <= {*variables, "__range"}
    for variable in variables.values():
        if variable["type"] == "query":
            inner = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            assert inner
            parse(inner[1], DEFAULT_BOUNDS)


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_panels_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def test_alerts_use_existing_metrics() -> None:
    for rule in rules_in(alert_rules()):
        query = parse(rule["expr"], DEFAULT_BOUNDS)
        found = {selector.name for selector in query.selectors}
        assert found <= RECORDED | SCRAPED | {"project_vcpu_usage"}
