"""Do not wait for a Keystone that does not answer: a limit on each wait, and a circuit breaker."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BREAKER_PAUSE", "Breaker"]

BREAKER_PAUSE = 5.0
"""Seconds from a time-out to the next test."""
_AFTER_FAILURE = 1.0
"""Seconds from a test that failed at once to the next one."""

_LOG = logging.getLogger(__name__)


class Breaker:
    """Rejects calls of one kind to Keystone after some of them have timed out in a row.

    While it is open, one call at a time tests whether Keystone answers again; a successful one closes it.

    Args:
        wait_seconds: how long a request waits for Keystone.
        limit: the number of time-outs in a row that open it.
        pause: seconds from a time-out to the next test.
        clock: seconds, monotonic.

    Attributes:
        wait_seconds: see above.
    """

    def __init__(
        self,
        wait_seconds: float = 5.0,
        *,
        limit: int = 3,
        pause: float = BREAKER_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wait_seconds = wait_seconds
        self._limit = limit
        self._pause = pause
        self._clock = clock
        self._timeouts = 0
        self._next_test = 0.0

    @property
    def open(self) -> bool:
        """Whether calls are rejected."""
        return self._timeouts >= self._limit

    def check(self) -> None:
        """Check that a call may be started.

        Raises:
            Unavailable: Keystone has not answered for a while.
        """
        if self.open and (left := self._next_test - self._clock()) > 0:
            raise self.error(left)

    def admit(self) -> None:
        """Check that a call may be started, and start it. If the breaker is open, the call is the test.

        Raises:
            Unavailable: Keystone has not answered for a while.
        """
        self.check()
        if self.open:
            self._next_test = self._clock() + self.wait_seconds + self._pause

    def on_timeout(self) -> None:
        """Record a call that was not answered in time."""
        self._timeouts += 1
        if self._timeouts >= self._limit:
            if self._timeouts == self._limit:
                _LOG.error("Keystone does not answer: unknown credentials get 503 until it does")
            self._next_test = self._clock() + self._pause

    def on_failure(self) -> None:
        """Record a call that failed in time, as all do while Keystone is restarted."""
        if self.open:
            self._next_test = min(self._next_test, self._clock() + _AFTER_FAILURE)

    def on_answer(self) -> None:
        """Record that Keystone has answered."""
        if self.open:
            _LOG.info("Keystone answers again")
        self._timeouts = 0

    def error(self, retry_after: float) -> Unavailable:
        """Return the error for a request that is not served because Keystone does not answer."""
        return Unavailable(
            "Keystone does not answer, and these credentials are not cached: try again later",
            retry_after=max(1, math.ceil(retry_after)),
        )
