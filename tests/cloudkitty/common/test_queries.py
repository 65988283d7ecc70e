from __future__ import annotations

import pytest

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.promql import not_equal
from chrysaetos.cloudkitty.common.queries import is_shareable, quantity_query, scopes_query
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
    return quantity_query(
        metric,
        matchers or {"project_id": "p"},
        period=3600,
        labels=labels,
        arguments={**PLAIN, **arguments},
    )


def matchers_of(text: str) -> list[tuple[str, str, str]]:
    """Return label, operator and value of each matcher of the only selector."""
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
def test_quantity_queries(arguments, text):
    assert query(**arguments) == text
    assert parse(text)


def test_the_part_after_the_at_sign_is_ignored():
    assert query(metric="cpu@#cores") == query(metric="cpu")


def test_the_query_for_all_scopes_excludes_series_without_a_scope():
    assert query(matchers=not_equal("project_id", "")).startswith('max(max_over_time(cpu{project_id!=""}[')


@pytest.mark.parametrize("value", HOSTILE)
def test_a_scope_cannot_change_the_query(value):
    assert matchers_of(query(matchers={"project_id": value})) == [("project_id", "=", value)]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_filter_cannot_change_the_query(value):
    text = scopes_query("cpu", {"zone": value}, "project_id", 60)
    assert matchers_of(text) == [("zone", "=", value)]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_change_the_query(name):
    text = query(metric=name, matchers={name: "x"}, labels=(name,))
    assert ("__name__", "=", name) in matchers_of(text)
    assert (name, "=", "x") in matchers_of(text)
    assert parse(scopes_query("cpu", {name: "x"}, name, 60)).selectors[0].matchers[0].name == name


def test_invalid_values_are_rejected():
    with pytest.raises(InvalidArgument, match="surrogate"):
        query(matchers={"project_id": "\ud800"})


def test_scopes_queries():
    text = scopes_query("up", {"job": "vm", "zone": "a"}, "project_id", 14400)
    assert text == 'max(present_over_time(up{job="vm",zone="a"}[14400s])) by (project_id)'


@pytest.mark.parametrize(
    ("arguments", "shareable"),
    [({}, True), ({"query_prefix": "topk(3,"}, False), ({"query_suffix": "> 0"}, False)],
)
def test_queries_that_can_be_shared(arguments, shareable):
    assert is_shareable({**PLAIN, **arguments}) is shareable


@pytest.mark.parametrize(
    ("metric", "filters", "text"),
    [
        ("up", {}, "max(up) by (project_id)"),
        ("up", {"job": "a, b"}, 'max(up{job="a, b"}) by (project_id)'),
        ("my.metric", {}, 'max({__name__="my.metric"}) by (project_id)'),
        ("my.metric", {"job": "vm"}, 'max({__name__="my.metric",job="vm"}) by (project_id)'),
    ],
)
def test_scopes_without_look_back(metric, filters, text):
    assert scopes_query(metric, filters, "project_id", 0) == text
    assert parse(text)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_filter_cannot_change_the_query_without_look_back(value):
    text = scopes_query("cpu", {"zone": value, "job": value}, "project_id", 0)
    assert matchers_of(text) == [("zone", "=", value), ("job", "=", value)]
