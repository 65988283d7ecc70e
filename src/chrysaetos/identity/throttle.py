"""How often somebody may fail to prove who they are."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING

from chrysaetos.errors import TooManyRequests
from chrysaetos.identity.cache import ExpiringLru

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Throttle"]


class Throttle:
    """Counts attempts in a sliding window, for each name on its own.

    An attempt counts from its start, so that many at once are no way around the limit. One that turns
    out well, or that nobody judged, is forgiven.

    Args:
        limit: attempts in a window; the next one is turned away.
        seconds: length of the window.
        size: how many names are remembered; the one that tried longest ago makes room.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        limit: int = 5,
        seconds: float = 60.0,
        size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._attempts: ExpiringLru[deque[float]] = ExpiringLru(size, clock)

    def attempt(self, name: bytes) -> None:
        """Counts an attempt.

        Args:
            name: whoever tries, as a digest.

        Raises:
            TooManyRequests: the limit is reached; says when the window opens again.
        """
        now = self._clock()
        attempts = self._attempts.get(name) or deque[float]()
        while attempts and attempts[0] <= now - self._seconds:
            attempts.popleft()
        if len(attempts) >= self._limit:
            wait = max(1, math.ceil(attempts[0] + self._seconds - now))
            raise TooManyRequests(
                f"These credentials failed {self._limit} times. Try again in {wait} seconds.", wait
            )
        attempts.append(now)
        self._attempts.put(name, attempts, now + self._seconds)

    def forgive(self, name: bytes) -> None:
        """Takes the latest attempt back."""
        attempts = self._attempts.get(name)
        if attempts:
            attempts.pop()
