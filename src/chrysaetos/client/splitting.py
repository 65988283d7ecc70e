"""A long range query in pieces, whose results together are that of the whole.

Every piece lies on the step grid of the whole and holds at most as many points as the server allows. What in
a query depends on the whole range (`@ start()`, `@ end()`, `start()`, `end()`, `range()`) is written as
the time or the number that it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.results import Matrix
from chrysaetos.client.times import seconds_text
from chrysaetos.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.client.results import Number

__all__ = ["merge", "pieces", "pinned"]

_OF_THE_RANGE = re.compile(r"\b(?:start|end|range)\b", re.IGNORECASE)


def pieces(start: int, end: int, step: int, points: int) -> Iterator[tuple[int, int]]:
    """First and last time of each piece.

    Args:
        start: of the whole, in milliseconds, as the next two.
        end: of the whole.
        step: of the whole.
        points: how many times a piece may have.
    """
    last = start + (end - start) // step * step
    while start <= last:
        piece_end = min(last, start + (points - 1) * step)
        yield start, piece_end
        start = piece_end + step


def merge(parts: Sequence[Matrix], number: Number) -> Matrix:
    """The results of all pieces, in time's order, as one, in the order of labels as Prometheus has it.

    Args:
        parts: the results; their JSON becomes that of the whole.
        number: what their numbers become.
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
    return Matrix(
        [merged[key] for key in sorted(merged)],
        number,
        list(dict.fromkeys(note for part in parts for note in part.warnings)),
        list(dict.fromkeys(note for part in parts for note in part.infos)),
    )


def pinned(query: str, start: int, end: int) -> str:
    """The query with nothing in it that depends on the range.

    Args:
        query: PromQL.
        start: of the whole, in milliseconds.
        end: of the whole, in milliseconds.

    Raises:
        InvalidArgument: the query may depend on the range in a way that cannot be written otherwise.
    """
    if _OF_THE_RANGE.search(query) is None:
        return query
    # The parser is loaded for those alone who need it.
    from chrysaetos.promql import ast  # noqa: PLC0415
    from chrysaetos.promql.parser import parse  # noqa: PLC0415

    try:
        tree = parse(query).expr
    except QueryError as error:
        raise InvalidArgument(
            f"a query that cannot be read here cannot be split: {error}", query=query
        ) from error
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
        for length in (
            getattr(node, "range", None),
            getattr(node, "step", None),
            getattr(node, "offset", None),
        ):
            if length is not None and length.seconds is None:
                text = query[length.start : length.end]
                if _OF_THE_RANGE.search(text):
                    raise InvalidArgument(f"a query with the duration {text!r} cannot be split", query=query)
    for (first, behind), text in sorted(changes.items(), reverse=True):
        query = query[:first] + text + query[behind:]
    return query
