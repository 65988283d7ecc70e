from __future__ import annotations

import pytest

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.promql import not_equal
from chrysaetos.cloudkitty.common.queries import measured, scopes, shareable
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote

PLAIN = {"aggregation_method": "max", "query_prefix": "", "query_suffix": ""}

HOSTILE = (
    'zz"}[1s])) or max(cpu{project_id=~".+',
    'a"b',
    "back\\",
    "new\nline",
    "{a='b'}",
    "`tick`",
    "',x=~'.*",
    "\x00",
    "ü",
    "# not a comment",
)


def query(metric="cpu", matchers=None, labels=("vm", "project_id"), **arguments) -> str:
    return measured(
        metric,
        matchers or {"project_id": "p"},
        period=3600,
        labels=labels,
        arguments={**PLAIN, **arguments},
    )


def matchers_of(text: str) -> list[tuple[str, str, str]]:
    """What Prometheus reads: label, operator and value of each matcher of the only selector."""
    (selector,) = parse(text).selectors
    return [(one.name, one.op, unquote(one.raw)) for one in selector.matchers]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, 'max(max_over_time(cpu{project_id="p"}[3600s])) by (vm, project_id)'),
        ({"aggregation_method": "avg"}, 'avg(avg_over_time(cpu{project_id="p"}[3600s])) by (vm, project_id)'),
        ({"range_function": "increase"}, 'max(increase(cpu{project_id="p"}[3600s])) by (vm, project_id)'),
        (
            {"query_function": "ceil", "range_function": "rate", "aggregation_method": "sum"},
            'sum(ceil(rate(cpu{project_id="p"}[3600s]))) by (vm, project_id)',
        ),
        (
            {"query_prefix": "topk(1,", "query_suffix": ")"},
            'topk(1, max(max_over_time(cpu{project_id="p"}[3600s])) by (vm, project_id) )',
        ),
    ],
)
def test_the_query_for_a_quantity(arguments, text):
    assert query(**arguments) == text
    assert parse(text)


def test_a_name_of_cloudkittys_is_no_part_of_the_query():
    assert query(metric="cpu@#cores") == query(metric="cpu")


def test_the_query_for_all_scopes_leaves_nobodys_series_out():
    assert query(matchers=not_equal("project_id", "")).startswith('max(max_over_time(cpu{project_id!=""}[')


@pytest.mark.parametrize("value", HOSTILE)
def test_a_scope_stays_a_value(value):
    assert matchers_of(query(matchers={"project_id": value})) == [("project_id", "=", value)]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_filter_stays_a_value(value):
    text = scopes("cpu", {"zone": value}, "project_id", 60)
    assert matchers_of(text) == [("zone", "=", value)]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names(name):
    text = query(metric=name, matchers={name: "x"}, labels=(name,))
    assert ("__name__", "=", name) in matchers_of(text)
    assert (name, "=", "x") in matchers_of(text)
    assert parse(scopes("cpu", {name: "x"}, name, 60)).selectors[0].matchers[0].name == name


def test_what_no_query_can_hold_is_refused():
    with pytest.raises(InvalidArgument, match="surrogate"):
        query(matchers={"project_id": "\ud800"})


def test_the_query_for_scopes():
    text = scopes("up", {"job": "vm", "zone": "a"}, "project_id", 14400)
    assert text == 'max(present_over_time(up{job="vm",zone="a"}[14400s])) by (project_id)'


@pytest.mark.parametrize(
    ("arguments", "may"),
    [({}, True), ({"query_prefix": "topk(3,"}, False), ({"query_suffix": "> 0"}, False)],
)
def test_what_may_be_asked_for_all_scopes_at_once(arguments, may):
    assert shareable({**PLAIN, **arguments}) is may
