"""Matchers, parsed with the gateway's parser."""

import pytest

from chrysaetos.client import promql as p
from chrysaetos.promql.ast import VectorSelector, walk
from chrysaetos.promql.parser import parse
from chrysaetos.promql.strings import unquote


@pytest.mark.parametrize(
    "value",
    [
        "",
        'a"b',
        "a\\b",
        "a\\",
        "a\nb",
        "\0",
        "\x7f",
        "\ufffd",
        "é𐍈",
        '"}[1s])) or max(x{y=~".+',
        "`'",
        "\u2028",
    ],
)
def test_a_value_cannot_change_the_query(value):
    query = parse(p.aggregate("max", p.selector("m", {"v": value}), by=["v"]))
    (matcher,) = (m for node in walk(query.expr) if isinstance(node, VectorSelector) for m in node.matchers)
    assert (matcher.name, matcher.op, unquote(matcher.raw)) == ("v", "=", value)
