"""PromQL built from parts, and parsed with the gateway's parser."""

from datetime import UTC, datetime, timedelta

import pytest

from chrysaetos.client import promql as p
from chrysaetos.client.errors import InvalidArgument
from chrysaetos.promql.parser import parse


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (p.selector("up"), "up"),
        (p.selector("up", {"job": "a", "vm": "b"}), 'up{job="a",vm="b"}'),
        (p.selector(None, {"job": "a"}), '{job="a"}'),
        (p.selector("up", p.not_equal("job", "a")), 'up{job!="a"}'),
        (p.selector("up", p.regex("job", "a.*"), p.not_regex("job", "b")), 'up{job=~"a.*",job!~"b"}'),
        (p.selector("up", p.one_of("vm", ["a.b", "c", "c"])), r'up{vm=~"a\\.b|c"}'),
        (p.selector("up", p.one_of("vm", ["a.b"])), 'up{vm="a.b"}'),
        (p.selector("up", p.none_of("vm", ("a", "b"))), 'up{vm!~"a|b"}'),
        (p.selector("up", p.none_of("vm", ["a"])), 'up{vm!="a"}'),
        (p.selector("up", p.starts_with("vm", "a+")), r'up{vm=~"(?s)a\\+.*"}'),
        (p.selector("up", range=300), "up[300s]"),
        (p.selector("up", range="5m", offset=timedelta(hours=1), at=1.5), "up[300s] @ 1.5 offset 3600s"),
        (p.selector("up", at=datetime(1970, 1, 2, tzinfo=UTC)), "up @ 86400"),
        # Keywords, and names that are not valid in every release.
        (p.selector("sum"), '{__name__="sum"}'),
        (p.selector("inf"), '{__name__="inf"}'),
        (p.selector("http.requests", {"service.name": "x"}), '{__name__="http.requests","service.name"="x"}'),
        (p.call("time"), "time()"),
        (p.call("rate", p.selector("up", range=60)), "rate(up[60s])"),
        (
            p.call("label_replace", p.call("vector", 1), "x", 'a"b', "", ""),
            r'label_replace(vector(1), "x", "a\"b", "", "")',
        ),
        (p.aggregate("sum", p.selector("up")), "sum(up)"),
        (p.aggregate("avg", p.selector("up"), by=["vm", "a.b"]), 'avg by (vm, "a.b") (up)'),
        (p.aggregate("avg", p.selector("up"), without=[]), "avg without () (up)"),
        (p.aggregate("topk", p.selector("up"), parameter=5), "topk(5, up)"),
        (p.aggregate("count_values", p.selector("up"), parameter="v"), 'count_values("v", up)'),
        (p.binary(p.selector("a"), "/", 100), "a / 100"),
        (p.binary(p.binary(1, "+", 2), "*", -3), "(1 + 2) * (-3)"),
        (p.binary(p.selector("a"), ">", 0, bool_modifier=True), "a > bool 0"),
        (
            p.binary(p.selector("a"), "*", p.selector("b"), on=["vm"], group_left=["name"]),
            "a * on (vm) group_left (name) b",
        ),
        (p.binary(p.selector("a"), "and", p.selector("b"), ignoring=["vm"]), "a and ignoring (vm) b"),
        (p.negate(p.binary(1, "+", 2)), "-(1 + 2)"),
        (p.subquery(p.call("rate", p.selector("a", range=60)), 3600), "rate(a[60s])[3600s:]"),
        (p.subquery(p.binary(p.selector("a"), "+", 1), 3600, 30), "(a + 1)[3600s:30s]"),
        (p.with_offset(p.subquery(p.selector("a"), 60), 0.5), "a[60s:] offset 500ms"),
        (p.binary(p.raw("a or b"), "/", 2), "(a or b) / 2"),
        (p.call("rate", p.raw("a[5m]")), "rate(a[5m])"),
        (p.call("abs", p.raw("a # all")), "abs(a # all\n)"),
    ],
)
def test_expressions(expression, text):
    assert expression == text
    assert isinstance(expression, p.Expression)
    parse(expression)


@pytest.mark.parametrize(
    "make",
    [
        lambda: p.selector("m", {"v": "\ud800"}),
        lambda: p.selector("m", {"v": 5}),  # type: ignore[dict-item]
        lambda: p.selector("m", {"": "x"}),
        lambda: p.selector("m", 'v="x"'),  # type: ignore[arg-type]
        lambda: p.selector(""),
        lambda: p.selector("\udfff"),
        lambda: p.selector(None),
        lambda: p.selector(None, {}),
        lambda: p.selector("m", range=0),
        lambda: p.selector("m", at=datetime(2026, 1, 1)),  # the mistake under test
        lambda: p.one_of("v", []),
        lambda: p.one_of("v", "abc"),
        lambda: p.none_of("v", ()),
        lambda: p.one_of("v", ["a", 5]),  # type: ignore[list-item]
        lambda: p.call("rate(", 1),
        lambda: p.call("abs", True),
        lambda: p.call("abs", None),  # type: ignore[arg-type]
        lambda: p.aggregate("sum", "up"),  # type: ignore[arg-type]
        lambda: p.aggregate("sum", p.selector("up"), by=["a"], without=["b"]),
        lambda: p.aggregate("sum", p.selector("up"), by="vm"),
        lambda: p.aggregate("su m", p.selector("up")),
        lambda: p.binary("up", "+", 1),  # type: ignore[arg-type]
        lambda: p.binary(1, "+ 1 +", 1),
        lambda: p.binary(1, "+", 1, bool_modifier=True),
        lambda: p.binary(1, "+", 1, on=[], ignoring=[]),
        lambda: p.binary(1, "+", 1, group_left=[]),
        lambda: p.binary(1, "+", 1, on=[], group_left=[], group_right=[]),
        lambda: p.raw("a) or (b"),
        lambda: p.raw(""),
        lambda: p.number("1"),  # type: ignore[arg-type]
        lambda: p.label_name("\ud800"),
        lambda: p.regex_literal(None),  # type: ignore[arg-type]
    ],
)
def test_invalid_parts_are_rejected(make):
    with pytest.raises(InvalidArgument):
        make()
