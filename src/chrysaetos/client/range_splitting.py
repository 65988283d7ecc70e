"""Split a long range query into parts, and merge their results into the result of the whole.

Each part lies on the step grid of the whole range and has at most as many points as the server allows.
Expressions that depend on the range (``@ start()``, ``@ end()``, ``start()``, ``end()``, ``range()``) are
replaced by the value that they have in the whole range.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.responses import truncate
from chrysaetos.client.results import Matrix
from chrysaetos.client.times import seconds_text
from chrysaetos.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.client.samples import Number

__all__ = ["merge", "resolve_range_functions", "split_range"]

_RANGE_FUNCTIONS = re.compile(r"\b(?:start|end|range)\b", re.IGNORECASE)


def split_range(start: int, end: int, step: int, max_points: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last evaluation time of each part.

    Args:
        start: the start of the whole range in milliseconds.
        end: the end of the whole range in milliseconds.
        step: the step in milliseconds.
        max_points: the maximum number of evaluation times in a part.
    """
    last = start + (end - start) // step * step
    while start <= last:
        part_end = min(last, start + (max_points - 1) * step)
        yield start, part_end
        start = part_end + step


def merge(parts: Sequence[Matrix], number: Number, limit: int | None = None) -> Matrix:
    """Merge the results of all parts, with the series in the order of their labels, as Prometheus does.

    Args:
        parts: the results in order of time; their raw entries are reused and extended.
        number: the type of the numbers.
        limit: the maximum number of series; None or 0 for no limit.
    """
    merged: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for part in parts:
        for series in part.raw:
            key = tuple(sorted(series["metric"].items()))
            known = merged.setdefault(key, series)
            if known is not series:
                for kind in ("values", "histograms"):
                    if kind in series:
                        known.setdefault(kind, []).extend(series[kind])
    warnings = list(dict.fromkeys(warning for part in parts for warning in part.warnings))
    result = Matrix(
        truncate([merged[key] for key in sorted(merged)], limit, warnings),
        number,
        warnings,
        list(dict.fromkeys(info for part in parts for info in part.infos)),
    )
    result.restricted = any(part.restricted for part in parts) or parts[0].restricted
    return result


def resolve_range_functions(query: str, start: int, end: int) -> str:
    """Return the query with everything that depends on the range replaced by its value.

    Args:
        query: PromQL.
        start: the start of the whole range in milliseconds.
        end: the end of the whole range in milliseconds.

    Raises:
        InvalidArgument: the query depends on the range in a way that cannot be replaced.
    """
    if _RANGE_FUNCTIONS.search(query) is None:
        return query
    # Imported here so that importing the client does not load the parser.
    from chrysaetos.promql import ast  # noqa: PLC0415  # see above
    from chrysaetos.promql.parser import parse  # noqa: PLC0415  # see above

    try:
        tree = parse(query).expr
    except QueryError as error:
        raise InvalidArgument(f"cannot parse the query to split its range: {error}", query=query) from error
    values = {
        "start": seconds_text(start),
        "end": seconds_text(end),
        "range": seconds_text(end - start),
    }
    changes: dict[tuple[int, int], str] = {}
    for node in ast.walk(tree):
        at = getattr(node, "at", None)
        if at is not None and at.timestamp in values:
            changes[at.start, at.end] = f"@ {values[at.timestamp]}"
        if isinstance(node, ast.Call) and node.function.name in values:
            changes[node.start, node.end] = f"({values[node.function.name]})"
        for duration in (
            getattr(node, "range", None),
            getattr(node, "step", None),
            getattr(node, "offset", None),
        ):
            if duration is not None and duration.seconds is None:
                text = query[duration.start : duration.end]
                if _RANGE_FUNCTIONS.search(text):
                    raise InvalidArgument(
                        f"cannot split a range query with the duration {text!r}", query=query
                    )
    for (first, last), text in sorted(changes.items(), reverse=True):
        query = query[:first] + text + query[last:]
    return query
