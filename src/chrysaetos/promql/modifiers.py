"""The suffixes of an expression: ranges, subqueries, ``offset``, ``@``, ``anchored`` and ``smoothed``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from chrysaetos.promql import checks, durations
from chrysaetos.promql.ast import At, MatrixSelector, Subquery, VectorSelector

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.promql.ast import Duration, Expr
    from chrysaetos.promql.cursor import Cursor

__all__ = ["SUFFIXES"]


def _range(cursor: Cursor, node: Expr) -> Expr:
    """``matrix_selector : expr "[" range "]"``, ``subquery_expr : expr "[" range ":" [step] "]"``."""
    bracket = cursor.starts[cursor.index]
    cursor.index += 1
    span = durations.positive_duration(cursor)
    if cursor.kinds[cursor.index] != ":":
        end = cursor.expect("]", "subquery or range", '":" or "]"')
        if not isinstance(node, VectorSelector):
            cursor.refuse("ranges only allowed for vector selectors", bracket, end)
        if _is_set(node.offset):
            cursor.refuse("no offset modifiers allowed before range", bracket, end)
        if node.at is not None:
            cursor.refuse("no @ modifiers allowed before range", bracket, end)
        return MatrixSelector(node.start, end, node, span)
    cursor.index += 1
    step = None if cursor.kinds[cursor.index] == "]" else durations.positive_duration(cursor)
    end = cursor.expect("]", "subquery selector", '"]"')
    subquery = Subquery(node.start, end, node, span, step)
    checks.check_subquery(cursor, subquery)
    return subquery


def _offset(cursor: Cursor, node: Expr) -> Expr:
    """``offset_expr : expr OFFSET offset_duration_expr``."""
    cursor.index += 1
    amount = durations.offset(cursor)
    if _is_set(_holder(cursor, node, "offset modifier").offset):
        cursor.refuse("offset may not be set multiple times", node.start, amount.end)
    return _changed(node, amount.end, offset=amount)


def _at(cursor: Cursor, node: Expr) -> Expr:
    """``step_invariant_expr : expr AT (signed_or_unsigned_number | (START | END) "(" ")")``."""
    start = cursor.starts[cursor.index]
    cursor.index += 1
    kind = cursor.kinds[cursor.index]
    timestamp: float | Literal["start", "end"]
    if kind in {"start", "end"}:
        timestamp = "start" if kind == "start" else "end"
        cursor.index += 1
        cursor.expect("(", "@", '"("')
        end = cursor.expect(")", "@", '")"')
    else:
        timestamp = durations.signed_number(cursor)
        end = cursor.span(cursor.index - 1)[1]
        # parse.go, setTimestamp. The comparison is also false for NaN.
        if not -math.ldexp(1, 63) < timestamp < math.ldexp(1, 63):
            cursor.refuse("timestamp out of bounds for @ modifier", start, end)
    if _holder(cursor, node, "@ modifier").at is not None:
        cursor.refuse("@ <timestamp> may not be set multiple times", node.start, end)
    return _changed(node, end, at=At(start, end, timestamp))


def _extended(cursor: Cursor, node: Expr) -> Expr:
    """``anchored_expr : expr ANCHORED``, ``smoothed_expr : expr SMOOTHED``."""
    kind: Literal["anchored", "smoothed"]
    kind = "anchored" if cursor.kinds[cursor.index] == "anchored" else "smoothed"
    end = cursor.span(cursor.index)[1]
    cursor.index += 1
    holder = _holder(cursor, node, f"{kind} modifier")
    if isinstance(holder, Subquery):
        cursor.refuse(f"{kind} modifier is not supported for subqueries", node.start, end)
    if holder.extended not in {None, kind}:
        cursor.refuse("anchored and smoothed modifiers cannot be used together", node.start, end)
    return _changed(node, end, extended=kind)


def _holder(cursor: Cursor, node: Expr, what: str) -> VectorSelector | Subquery:
    """Return the node that holds an expression's modifiers: for a range selector its vector selector."""
    if isinstance(node, MatrixSelector):
        return node.selector
    if isinstance(node, VectorSelector | Subquery):
        return node
    return cursor.refuse(f"{what} must follow a selector or a subquery", node.start, node.end)


def _changed(node: Expr, end: int, **changes: Any) -> Expr:
    """Return the node with a new end and changed modifiers."""
    if isinstance(node, MatrixSelector):
        return node._replace(end=end, selector=node.selector._replace(**changes))
    return node._replace(end=end, **changes)


def _is_set(offset: Duration | None) -> bool:
    """parse.go, addOffset: an offset that rounds to 0 ns counts as none."""
    return offset is not None and (offset.seconds is None or abs(offset.seconds) >= 0.5e-9)


SUFFIXES: dict[str, Callable[[Cursor, Expr], Expr]] = {
    "[": _range,
    "offset": _offset,
    "@": _at,
    "anchored": _extended,
    "smoothed": _extended,
}
"""The parser of each suffix, by its first token. It takes the expression before and returns the whole one.

Each raises ``QueryError`` if the suffix is not allowed after the expression, or is a duplicate.
"""
