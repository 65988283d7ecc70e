"""Read a metric of all hosts or instances with one query, and cache it for the strategy run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Protocol

from chrysaetos.client import errors
from chrysaetos.watcher.queries import expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chrysaetos.watcher.parts import Part
    from chrysaetos.watcher.queries import Reading

__all__ = ["BulkReader", "Series"]

_MAX_TIMEOUTS: Final = 2
"""Maximum number of timeouts that are retried with smaller queries. Each one takes the full time limit, so
there are fewer than for results that are too large."""


class Series(Protocol):
    """One series of a result."""

    labels: Mapping[str, str]
    value: Any


class BulkReader:
    """Reads each reading once and caches its values.

    Args:
        query: sends an instant query and returns its series. ``TooLarge`` and ``Timeout`` are retried with
            smaller queries; other exceptions are propagated.
        limit: a result with this many series may have been truncated by the server (its parameter ``limit``),
            so it is read again in smaller parts.

    Attributes:
        query_count: the number of queries that were sent.
    """

    def __init__(self, query: Callable[[str], Sequence[Series]], *, limit: int) -> None:
        self._query = query
        self._limit = limit
        self._values: dict[tuple[Reading, str], dict[str, float]] = {}
        self._parts: dict[Part, list[Part]] = {}
        self.query_count = 0

    def values(self, reading: Reading, label: str, whole: Part) -> Mapping[str, float]:
        """Return the values of a reading by resource, without NaN and infinite values.

        Args:
            reading: the reading.
            label: the label that identifies a resource.
            whole: the part with all resources. A reading starts with the parts that the previous one needed.

        Raises:
            MetricsError: a query failed.
        """
        key = (reading, label)
        if key not in self._values:
            self._values[key] = self._fetch(reading, label, whole)
        return self._values[key]

    def _fetch(self, reading: Reading, label: str, whole: Part) -> dict[str, float]:
        waiting = list(reversed(self._parts.get(whole, [whole])))
        finished: list[Part] = []
        values: dict[str, float] = {}
        timeouts = 0
        while waiting:
            part = waiting.pop()
            halves = part.halves()
            try:
                self.query_count += 1
                series = self._query(expression(reading, label, part.matcher(label)))
            except errors.TooLarge:
                if not halves:
                    raise
            except errors.Timeout:
                timeouts += 1
                if not halves or timeouts > _MAX_TIMEOUTS:
                    raise
            else:
                if len(series) < self._limit or not halves:
                    values |= _finite_values(series, label)
                    finished.append(part)
                    continue
            waiting += reversed(halves)
        self._parts[whole] = finished
        return values


def _finite_values(series: Sequence[Series], label: str) -> dict[str, float]:
    values: dict[str, float] = {}
    for one in series:
        name = one.labels.get(label, "")
        if one.value is None:
            raise errors.UnexpectedResult(f"expected a number for {label}={name!r}, got a native histogram")
        if math.isfinite(one.value):
            values[name] = float(one.value)
    return values
