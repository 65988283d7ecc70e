"""Answers that hold all scopes, kept while the scopes are rated one after the other."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["SharedAnswers"]

Items = list[dict[str, Any]]


@dataclass(slots=True, eq=False)
class _Answer:
    """One answer, or the place of one that is under way.

    Attributes:
        lock: held by whoever asks.
        by_scope: scope → its elements; None before there is an answer, and when it is none to share.
        expires: until when it counts; None before there is an answer.
        size: elements in it.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_scope: dict[str, Items] | None = None
    expires: float | None = None
    size: int = 0


class SharedAnswers:
    """Keeps a bounded number of series for a bounded time. Any number of threads may use it.

    An answer is never dropped before its time to make room for another: CloudKitty rates all periods of a
    scope before it begins with the next, so a cache that drops the oldest would have dropped what the next
    scope asks for first. What finds no room is asked for scope by scope instead.

    Args:
        seconds: how long an answer counts.
        series: how many series all answers may hold; the one that goes over that is still kept.
        clock: seconds.
    """

    def __init__(self, seconds: float, series: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._room = series
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _Answer] = {}

    def share(self, key: Hashable, scope: str, ask: Callable[[], dict[str, Items] | None]) -> Items | None:
        """The part of one scope.

        Args:
            key: what is asked.
            scope: whose part.
            ask: asks for all scopes; returns None when they have to be asked for one by one.

        Returns:
            Its elements, none if the answer has nothing of it; None when the scope has to be asked for alone.

        Raises:
            Exception: what `ask` raised; nothing is kept of it.
        """
        with self._lock:
            now = self._clock()
            for old in [one for one, answer in self._answers.items() if _expired(answer, now)]:
                self._room += self._answers.pop(old).size
            if key not in self._answers and self._room <= 0:
                return None
            answer = self._answers.setdefault(key, _Answer())
        with answer.lock:
            if answer.expires is None:
                try:
                    by_scope = ask()
                except BaseException:
                    with self._lock:
                        self._answers.pop(key, None)
                    raise
                # An empty answer takes room as well.
                size = 1 + sum(map(len, (by_scope or {}).values()))
                with self._lock:
                    answer.by_scope, answer.size = by_scope, size
                    answer.expires = self._clock() + self._seconds
                    self._room -= size
            return None if answer.by_scope is None else answer.by_scope.get(scope, [])


def _expired(answer: _Answer, now: float) -> bool:
    return answer.expires is not None and answer.expires <= now
