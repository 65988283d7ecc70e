"""How a query is parsed where a test knows the class of its outermost node."""

from typing import TypeVar

from chrysaetos.promql.ast import Expr
from chrysaetos.promql.parser import parse

__all__ = ["parse_as"]

Node = TypeVar("Node", bound=Expr)


def parse_as(node: type[Node], text: str) -> Node:
    """``text``'s outermost node, which must be a ``node``."""
    expr = parse(text).expr
    assert isinstance(expr, node)
    return expr
