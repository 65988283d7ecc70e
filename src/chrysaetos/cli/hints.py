"""Hints for a query that returns nothing: which of its matchers match nothing."""

from __future__ import annotations

import difflib
import shlex
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.cells import printable
from chrysaetos.client.errors import MetricsError
from chrysaetos.errors import QueryError
from chrysaetos.utc import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.client import MetricsClient
    from chrysaetos.promql.ast import Matcher, VectorSelector

__all__ = ["hints"]

_MAX_SELECTORS = 3
_MAX_VALUES = 1000
_MAX_SHOWN = 5
_LOOKBACK = 300
"""Prometheus' default for how old a sample may be, in seconds."""


def hints(
    client: MetricsClient, query: str, start: float, end: float, *, selectors: bool = False
) -> list[str]:
    """Return lines that say why a query returned nothing. Failures of the server end the search silently.

    Args:
        client: the client to search with.
        query: the query that returned nothing.
        start: the start of its range, in seconds since the epoch.
        end: the end of its range.
        selectors: whether the query is a selector of series, not an expression.
    """
    # Imported here so that a query with a result does not load the parser.
    from chrysaetos.promql.ast import VectorSelector, walk  # noqa: PLC0415  # see above
    from chrysaetos.promql.parser import parse  # noqa: PLC0415  # see above

    try:
        tree = parse(query).expr
        found = {
            query[node.start : node.end]: node for node in walk(tree) if isinstance(node, VectorSelector)
        }
        if any(node.offset or node.at for node in found.values()):
            # The times of the samples are not those of the query.
            start = 0
        search = _Search(client, query, start - _LOOKBACK, end)
        lines = [line for node in list(found.values())[:_MAX_SELECTORS] for line in search.explain(node)]
    except (QueryError, MetricsError):
        return []
    if found and not lines and not selectors:
        lines.append(
            "each selector matches series, but the operators and functions leave none: "
            "a comparison, labels that differ, or fewer than two samples in a range"
        )
    return lines


class _Search:
    """Looks for series that match a part of a selector."""

    def __init__(self, client: MetricsClient, query: str, start: float, end: float) -> None:
        self._client = client
        self._query = query
        self._window: dict[str, Any] = {"start": max(start, 0), "end": end}

    def explain(self, node: VectorSelector) -> Iterator[str]:
        """Yield lines that say what of a selector matches nothing."""
        parts = [self._query[matcher.start : matcher.end] for matcher in node.matchers]
        name = f'__name__="{node.name}"' if node.name else ""
        every = [part for part in (name, *parts) if part]
        if self._has(every):
            return
        text = printable(self._query[node.start : node.end])
        if node.name and not self._has([name]):
            yield self._unknown_metric(node.name)
            return
        for matcher, part in zip(node.matchers, parts, strict=True):
            if not self._has([each for each in (name, part) if each]):
                yield self._unmatched(matcher, part, name)
                return
        if len(every) > 1:
            yield f"no series matches all of {text}, but each of its matchers matches some"

    def _has(self, matchers: list[str]) -> bool:
        selector = "{" + ",".join(matchers) + "}"
        return bool(self._client.labels(selector, **self._window, limit=1))

    def _unknown_metric(self, name: str) -> str:
        shown = printable(name)
        older = {"start": max(self._window["start"] - DAY, 0), "end": self._window["end"]}
        if self._client.labels(f'{{__name__="{name}"}}', **older, limit=1):
            return f"{shown} has no samples at this time, but some in the 24 hours before"
        names = self._client.label_values("__name__", **self._window, limit=_MAX_VALUES)
        if not names:
            return "you see no series at all at this time; chrysaetos doctor checks why"
        return f"you see no series named {shown}{_similar(name, names, 'similar names', '__name__')}"

    def _unmatched(self, matcher: Matcher, part: str, name: str) -> str:
        values = self._client.label_values(matcher.name, f"{{{name}}}" if name else (), **self._window)
        of = f" of {printable(name.partition('=')[2][1:-1])}" if name else ""
        if not values:
            return f"no series{of} has the label {printable(matcher.name)}"
        wanted = matcher.raw[1:-1]
        similar = _similar(wanted, values, "its values", matcher.name)
        return f"{printable(part)} matches no series{of}{similar}"


def _similar(word: str, words: list[str], title: str, label: str) -> str:
    """Return the values of a label that are most like a word, as the end of a line."""
    close = difflib.get_close_matches(word, words, _MAX_SHOWN, 0.6)
    # Names that contain the word are similar, too.
    close += [each for each in words if word and word in each and each not in close]
    shown = close[:_MAX_SHOWN] or (words if len(words) <= _MAX_SHOWN else [])
    if shown:
        return f"; {title}: {', '.join(map(printable, shown))}"
    return f"; there are {len(words)} others, see chrysaetos values {shlex.quote(printable(label))}"
