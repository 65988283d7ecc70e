"""Single flight: one call at a time for each key, shared by all requests that need its result."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from chrysaetos.errors import Unavailable

if TYPE_CHECKING:
    import concurrent.futures
    from asyncio import Future
    from collections.abc import Callable

    from chrysaetos.identity.breaker import Breaker

__all__ = ["SingleFlight"]

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class _Call(Generic[T]):
    """A call in a pool of threads.

    Attributes:
        future: its outcome.
    """

    __slots__ = ("_began", "_call", "cancel", "future")

    def __init__(self, pool: ThreadPoolExecutor, call: Callable[[], T]) -> None:
        self._call = call
        self._began: float | None = None
        self.future: concurrent.futures.Future[T] = pool.submit(self._run)
        self.cancel = self.future.cancel

    @property
    def seconds(self) -> float:
        """How long it has been running; 0 while it waits for a thread."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def _run(self) -> T:
        self._began = time.monotonic()
        return self._call()


class SingleFlight(Generic[T]):
    """Runs blocking calls in its own threads, at most one at a time for each key.

    Args:
        name: prefix of the threads' names.
        threads: number of concurrent calls.
        waiting: maximum number of running and queued calls.
        breaker: limits the wait for a call, and rejects calls while none is answered; None for neither.

    Attributes:
        failed: calls that raised.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, breaker: Breaker | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting = waiting
        self._breaker = breaker
        self._flights: dict[bytes, Future[T]] = {}
        self._calls: dict[Future[T], _Call[T]] = {}
        self._late: set[Future[T]] = set()
        self._closed = False
        self._reported = False
        self.failed = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    async def run(
        self, key: bytes, call: Callable[[], T], landed: Callable[[Future[T]], None] | None = None
    ) -> T:
        """Return the result of the current call for a key. Start the call if there is none.

        Cancelling a waiter affects neither the call nor the other waiters.

        Args:
            key: identifies the call.
            call: the blocking function. It runs in a thread without the caller's context variables.
            landed: called in the event loop with the finished future, before any waiter continues.

        Raises:
            Unavailable: too many calls are running or queued, no thread can be started, the threads were
                stopped, or no answer arrives in time.
            Exception: the exception of the call, in each waiter.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._start(key, call, landed)
        # Unlike awaiting the future itself, this does not cancel it when a waiter is cancelled.
        breaker = self._breaker
        if breaker is None:
            await asyncio.wait((flight,))
        else:
            await asyncio.wait((flight,), timeout=breaker.wait_seconds)
            if not flight.done():
                # A call that has begun goes on; one that has not would only delay the next ones, and says
                # nothing about Keystone. Many may wait for one call.
                running = self._calls[flight]
                running.cancel()
                if running.seconds >= breaker.wait_seconds / 2 and flight not in self._late:
                    self._late.add(flight)
                    breaker.on_timeout()
            if not flight.done() or flight.cancelled():
                raise breaker.error(1)
        return flight.result()

    def check_room(self) -> None:
        """Check that another call can be started.

        Raises:
            Unavailable: too many calls are running or queued, or none is answered.
        """
        if self._breaker is not None:
            self._breaker.check()
        if len(self._flights) >= self._waiting:
            raise Unavailable("Keystone is being asked too much at the moment. Try again.")

    def close(self) -> None:
        """Stop the threads: wait for running calls, cancel queued ones."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(
        self, key: bytes, call: Callable[[], T], landed: Callable[[Future[T]], None] | None
    ) -> Future[T]:
        self.check_room()
        if self._breaker is not None:
            self._breaker.admit()
        try:
            running = _Call(self._pool, call)
        except RuntimeError as error:
            if self._closed:
                raise Unavailable("The gateway is shutting down.") from error
            # The limit of processes (RLIMIT_NPROC, a cgroup's pids.max) or of memory is reached.
            if not self._reported:
                self._reported = True
                _LOG.error("no thread can be started for requests to Keystone: %s", error)
            raise Unavailable("The gateway cannot start a thread to ask Keystone. Try again.") from error
        self._reported = False
        flight = asyncio.wrap_future(running.future)
        self._calls[flight] = running
        self._flights[key] = flight
        flight.add_done_callback(partial(self._land, key, landed))
        return flight

    def _land(self, key: bytes, landed: Callable[[Future[T]], None] | None, flight: Future[T]) -> None:
        del self._flights[key], self._calls[flight]
        self._late.discard(flight)
        if self._breaker is not None and not flight.cancelled() and flight.exception() is None:
            self._breaker.on_answer()
        if landed is not None:
            landed(flight)
        # This marks the exception as retrieved, in case all waiters were cancelled.
        if not flight.cancelled() and flight.exception() is not None:
            self.failed += 1
