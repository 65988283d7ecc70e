"""Cache results for all scopes while the scopes are rated one after the other."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["SharedResults"]

Items = list[dict[str, Any]]


@dataclass(slots=True, eq=False)
class _Entry:
    """A result, or the placeholder of a pending one.

    Attributes:
        lock: held while the query is running.
        by_scope: the elements by scope; None while pending, or if the result cannot be shared.
        expires: the time at which the result expires; None while pending.
        size: the number of elements.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_scope: dict[str, Items] | None = None
    expires: float | None = None
    size: int = 0


class SharedResults:
    """Caches a limited number of series for a limited time. Safe for concurrent use.

    An entry is not evicted before it expires: CloudKitty rates all periods of a scope before it starts with
    the next scope, so evicting the oldest entry would remove the one that is needed next. Results that do not
    fit are queried for each scope separately.

    Args:
        seconds: the lifetime of an entry.
        series: the maximum number of series in all entries; the entry that exceeds it is still cached.
        clock: returns the current time in seconds.
    """

    def __init__(self, seconds: float, series: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._free = series
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    def get(self, key: Hashable, scope: str, query: Callable[[], dict[str, Items] | None]) -> Items | None:
        """Return the elements of one scope.

        Args:
            key: identifies the query.
            scope: the scope.
            query: reads all scopes; returns None if each scope has to be queried separately.

        Returns:
            The elements of the scope, which may be empty; None if the scope has to be queried separately.

        Raises:
            Exception: an exception of ``query``; it is not cached.
        """
        while (entry := self._entry(key)) is not None:
            with entry.lock:
                if self._entries.get(key) is not entry:
                    continue  # while this thread waited, the query failed, or the result expired
                if entry.expires is None:
                    self._fill(key, entry, query)
                return None if entry.by_scope is None else entry.by_scope.get(scope, [])
        return None

    def _entry(self, key: Hashable) -> _Entry | None:
        """Return the entry of a query, which may be a new one; None if there is no space."""
        with self._lock:
            now = self._clock()
            for expired in [old for old, entry in self._entries.items() if _expired(entry, now)]:
                self._free += self._entries.pop(expired).size
            if key not in self._entries and self._free <= 0:
                return None
            return self._entries.setdefault(key, _Entry())

    def _fill(self, key: Hashable, entry: _Entry, query: Callable[[], dict[str, Items] | None]) -> None:
        try:
            by_scope = query()
        except BaseException:
            with self._lock:
                del self._entries[key]
            raise
        # Even an empty result occupies space.
        size = 1 + sum(map(len, (by_scope or {}).values()))
        with self._lock:
            entry.by_scope, entry.size = by_scope, size
            entry.expires = self._clock() + self._seconds
            self._free -= size


def _expired(entry: _Entry, now: float) -> bool:
    return entry.expires is not None and entry.expires <= now
