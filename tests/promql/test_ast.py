"""The tree, and how it is walked."""

import pytest
from tests.promql.parsing import parse_as

from chrysaetos.promql import ast
from chrysaetos.promql.parser import parse

PARTS = [
    ("1", []),
    ("'a'", []),
    ("a", []),
    ("a[5m]", ["a"]),
    ("a[5m:]", ["a"]),
    ("(a)", ["a"]),
    ("-a", ["a"]),
    ("a + b", ["a", "b"]),
    ("sum(a)", ["a"]),
    ("topk(1, a)", ["1", "a"]),
    ("time()", []),
    ("clamp(a, 1, 2)", ["a", "1", "2"]),
]


@pytest.mark.parametrize(("text", "below"), PARTS)
def test_children(text, below):
    found = ast.children(parse(text).expr)
    assert [text[node.start : node.end] for node in found] == below


def test_each_class_of_node_is_known():
    nodes = {node.__name__ for node in ast.Expr.__args__}
    assert nodes == {type(parse(text).expr).__name__ for text, _ in PARTS}


@pytest.mark.parametrize("node", [None, "foo", object(), ast.Duration(0, 1, 5)])
def test_an_unknown_node_is_refused(node):
    with pytest.raises(TypeError, match="not a PromQL node"):
        ast.children(node)


def test_walk_goes_from_left_to_right_and_from_top_to_bottom():
    text = "topk(scalar(a), b + -rate(c[5m:])) / (d)"
    found = [text[node.start : node.end] for node in ast.walk(parse(text).expr)]
    assert found == [
        *(text, "topk(scalar(a), b + -rate(c[5m:]))", "scalar(a)", "a", "b + -rate(c[5m:])", "b"),
        *("-rate(c[5m:])", "rate(c[5m:])", "c[5m:]", "c", "(d)", "d"),
    ]


def test_walk_needs_no_stack():
    assert sum(1 for _ in ast.walk(parse("a" + "+a" * 4000).expr)) == 8001


def test_nodes_do_not_change():
    with pytest.raises(AttributeError):
        parse_as(ast.VectorSelector, "a").name = "b"  # type: ignore[misc]
