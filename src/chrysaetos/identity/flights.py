"""One call at a time for each key, however many requests wait for its answer."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from chrysaetos.errors import Unavailable

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

__all__ = ["SingleFlight"]

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs blocking calls in threads of its own, each key's only once at a time.

    Args:
        name: prefix of the threads' names.
        threads: how many calls run at once.
        waiting: how many keys may be under way or queued before more are turned away.

    Attributes:
        failed: calls that raised.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting = waiting
        self._flights: dict[bytes, Future[T]] = {}
        self.failed = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    async def run(
        self, key: bytes, call: Callable[[], T], landed: Callable[[Future[T]], None] | None = None
    ) -> T:
        """The result of the call under way for a key, which is started if there is none.

        A waiter that is cancelled leaves the call and the other waiters alone.

        Args:
            key: what makes two calls the same.
            call: the blocking call; it runs in a thread, without the caller's context variables.
            landed: called in the event loop with the finished flight, before any waiter goes on.

        Raises:
            Unavailable: too many calls are under way, or the threads have ended.
            Exception: whatever the call raises, to all of its waiters.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._start(key, call, landed)
        # Unlike awaiting the flight itself, this does not pass a waiter's cancellation on to it.
        await asyncio.wait((flight,))
        return flight.result()

    def check_room(self) -> None:
        """Check that one more call could be started.

        Raises:
            Unavailable: too many are under way.
        """
        if len(self._flights) >= self._waiting:
            raise Unavailable("Keystone is being asked too much at the moment. Try again.")

    def close(self) -> None:
        """Ends the threads: waits for the calls that run, cancels those that are queued."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(
        self, key: bytes, call: Callable[[], T], landed: Callable[[Future[T]], None] | None
    ) -> Future[T]:
        self.check_room()
        try:
            flight = asyncio.get_running_loop().run_in_executor(self._pool, call)
        except RuntimeError as error:
            raise Unavailable("The gateway is shutting down.") from error
        self._flights[key] = flight
        flight.add_done_callback(partial(self._land, key, landed))
        return flight

    def _land(self, key: bytes, landed: Callable[[Future[T]], None] | None, flight: Future[T]) -> None:
        del self._flights[key]
        if landed is not None:
            landed(flight)
        # Looking at it marks it as seen, for the case that every waiter has gone.
        if not flight.cancelled() and flight.exception() is not None:
            self.failed += 1
