"""Limit the points of a query's subqueries, as the points of a range query are limited.

The cost of a subquery grows with its points, whether or not the selected series have samples there.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import BadRequest
from chrysaetos.promql.ast import Subquery, children

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.promql.ast import Duration, Expr
    from chrysaetos.promql.parser import Query

__all__ = ["Nested", "check_subqueries", "find_subqueries"]

_MAX_POINTS = 5_000_000
"""Maximum number of points of one series in all subqueries of a query together."""

_DEFAULT_STEP_MILLISECONDS = 60_000
"""Prometheus' default ``evaluation_interval``, the step of a subquery that gives none."""

_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
    "^": math.pow,
    "max_of": max,
    "min_of": min,
}


class Nested(NamedTuple):
    """A subquery.

    Attributes:
        outer: the index of the subquery around it, in what :func:`find_subqueries` returns; or -1.
        range: its range.
        step: its step; None for the default.
    """

    outer: int
    range: Duration
    step: Duration | None


def find_subqueries(query: Query) -> tuple[Nested, ...]:
    """Return the subqueries of a query, outer ones before inner ones."""
    if ":" not in query.tokens.kinds:
        return ()
    found: list[Nested] = []
    stack: list[tuple[Expr, int]] = [(query.expr, -1)]
    while stack:
        node, outer = stack.pop()
        if isinstance(node, Subquery):
            found.append(Nested(outer, node.range, node.step))
            outer = len(found) - 1
        stack += [(child, outer) for child in children(node)]
    return tuple(found)


def check_subqueries(subqueries: Sequence[Nested], length: float, step: float) -> None:
    """Check the points of a query's subqueries.

    Args:
        subqueries: as :func:`find_subqueries` returned them.
        length: the seconds from the start to the end of the query.
        step: the seconds between its points; 0 for an instant query.

    Raises:
        BadRequest: there are too many, or Prometheus would refuse a duration.
    """
    spans: list[float] = []
    points = 0.0
    for outer, duration, resolution in subqueries:
        own = _milliseconds(duration, length, step)
        width = _DEFAULT_STEP_MILLISECONDS if resolution is None else _milliseconds(resolution, length, step)
        spans.append((spans[outer] if outer >= 0 else length * 1000) + own)
        points += spans[-1] / (width or _DEFAULT_STEP_MILLISECONDS)
    if points > _MAX_POINTS:
        raise BadRequest(
            f"the subqueries have more than {_MAX_POINTS:,} points per timeseries: "
            "use a larger step or a shorter range in them"
        )


def _milliseconds(duration: Duration, length: float, step: float) -> int:
    """Return whole milliseconds as ``promql/durations.go`` computes them.

    Raises:
        BadRequest: the duration is not one that Prometheus takes.
    """
    seconds = duration.seconds
    if seconds is None:
        try:
            seconds = _evaluated(duration.postfix, {"range": length, "step": step})
        except (ArithmeticError, ValueError):
            seconds = math.nan
    if not 0 < seconds <= 2**63 / 1e9:
        raise BadRequest("a duration of a subquery must be greater than 0 and in range")
    return int(seconds * 1000)


def _evaluated(postfix: Sequence[float | str], values: dict[str, float]) -> float:
    """Return the value of a duration expression.

    Raises:
        ArithmeticError, ValueError: it has none.
    """
    stack: list[float] = []
    for item in postfix:
        if not isinstance(item, str):
            stack.append(item)
        elif item in values:
            stack.append(values[item])
        elif item == "neg":
            stack.append(-stack.pop())
        else:
            right = stack.pop()
            stack.append(_OPERATORS[item](stack.pop(), right))
    return stack[0]
