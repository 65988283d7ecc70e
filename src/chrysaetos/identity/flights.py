"""Single flight: one call at a time for each key, shared by all requests that need its result."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chrysaetos.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.identity.breaker import Breaker

__all__ = ["SingleFlight"]

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


_CLOSE_SECONDS = 0.5
"""How long ``close`` waits for threads whose call is just ending."""


class _Call(Generic[T]):
    """A call in a thread.

    Args:
        call: the blocking function.
        until: see the attribute.

    Attributes:
        future: its outcome.
        until: loop time until which it is waited for.
    """

    __slots__ = ("_began", "_call", "future", "until")

    def __init__(self, call: Callable[[], T], until: float) -> None:
        self._call = call
        self._began: float | None = None
        self.future: Future[T] = Future()
        self.until = until

    @property
    def seconds(self) -> float:
        """How long it has been running; 0 while it waits for a thread."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def run(self) -> None:
        """Call the function, unless the future was cancelled. Runs in a thread."""
        if self.future.set_running_or_notify_cancel():
            self._began = time.monotonic()
            try:
                result = self._call()
            except BaseException as error:  # noqa: BLE001  # it is raised where the result is awaited
                self.future.set_exception(error)
            else:
                self.future.set_result(result)


class _Threads:
    """Threads for calls. The process can exit while a call hangs, unlike with ``ThreadPoolExecutor``.

    Args:
        name: prefix of the threads' names.
        most: number of threads.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def submit(self, call: _Call[Any], others: int) -> None:
        """Queue a call, and start a thread for it if there are as many other calls as threads.

        Raises:
            RuntimeError: no thread can be started.
        """
        count = len(self._threads)
        if count < self._most and others >= count:
            thread = Thread(target=self._run, name=f"{self._name}_{count}", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._calls.put(call)

    def close(self) -> None:
        """Stop the threads that run no call."""
        for _ in self._threads:
            self._calls.put(None)
        until = time.monotonic() + _CLOSE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            del call  # it would keep the result until the next one


class SingleFlight(Generic[T]):
    """Runs blocking calls in its own threads, at most one at a time for each key.

    Args:
        name: prefix of the threads' names.
        threads: number of concurrent calls.
        waiting: maximum number of running and queued calls.
        breaker: limits the wait for a call, counted from its start, and rejects calls while none is answered;
            None for neither.

    Attributes:
        failed: calls that raised.
    """

    def __init__(self, name: str, *, threads: int, waiting: int, breaker: Breaker | None = None) -> None:
        self._threads = _Threads(name, threads)
        self._waiting = waiting
        self._breaker = breaker
        self._flights: dict[bytes, asyncio.Future[T]] = {}
        self._calls: dict[asyncio.Future[T], _Call[T]] = {}
        self._closed = False
        self._reported = False
        self.failed = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._flights

    async def run(
        self,
        key: bytes,
        call: Callable[[], T],
        on_done: Callable[[asyncio.Future[T]], None] | None = None,
        *,
        deadline: float = math.inf,
    ) -> T:
        """Return the result of the current call for a key. Start the call if there is none.

        Cancelling a waiter affects neither the call nor the other waiters.

        Args:
            key: identifies the call.
            call: the blocking function. It runs in a thread without the caller's context variables.
            on_done: called in the event loop with the finished future, before any waiter continues.
            deadline: loop time until which this waiter waits, with a breaker.

        Raises:
            Unavailable: too many calls are running or queued, no thread can be started, the threads were
                stopped, or no answer arrives in time.
            Exception: the exception of the call, in each waiter.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._start(key, call, on_done)
        # Unlike awaiting the future itself, this does not cancel it when a waiter is cancelled.
        breaker = self._breaker
        if breaker is None:
            await asyncio.wait((flight,))
        else:
            until = min(self._calls[flight].until, deadline)
            await asyncio.wait((flight,), timeout=max(0.0, until - asyncio.get_running_loop().time()))
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
            raise Unavailable("too many requests are waiting for Keystone: try again")

    def close(self) -> None:
        """Stop the threads, and wait for no call: one may hang, and nothing needs its result any more."""
        self._closed = True
        for flight in self._calls:
            flight.cancel()
        self._threads.close()

    def _start(
        self, key: bytes, call: Callable[[], T], on_done: Callable[[asyncio.Future[T]], None] | None
    ) -> asyncio.Future[T]:
        if self._closed:
            raise Unavailable("the gateway is shutting down")
        self.check_room()
        loop, breaker = asyncio.get_running_loop(), self._breaker
        until = math.inf
        if breaker is not None:
            breaker.admit()
            until = loop.time() + breaker.wait_seconds
        running = _Call(call, until)
        try:
            self._threads.submit(running, len(self._flights))
            self._reported = False
        except RuntimeError as error:
            # The limit of processes (RLIMIT_NPROC, a cgroup's pids.max) or of memory is reached.
            if not self._reported:
                self._reported = True
                _LOG.error("no thread can be started for requests to Keystone: %s", error)
            running.future.set_exception(
                Unavailable("the gateway cannot start a thread to ask Keystone: try again")
            )
        flight = asyncio.wrap_future(running.future)
        self._calls[flight] = running
        self._flights[key] = flight
        flight.add_done_callback(partial(self._finish, key, on_done))
        if breaker is not None:
            timer = loop.call_at(until, self._expire, running, breaker)
            flight.add_done_callback(lambda _: timer.cancel())
        return flight

    def _expire(self, running: _Call[T], breaker: Breaker) -> None:
        """Give up a call that is not answered in time.

        If it has begun, its thread cannot be stopped, and the breaker counts a time-out. If it still waits
        for a thread, it is removed from the queue, and does not show that Keystone is slow.
        """
        running.future.cancel()
        if running.seconds >= breaker.wait_seconds / 2:
            breaker.on_timeout()

    def _finish(
        self,
        key: bytes,
        on_done: Callable[[asyncio.Future[T]], None] | None,
        flight: asyncio.Future[T],
    ) -> None:
        until = self._calls.pop(flight).until
        del self._flights[key]
        if self._breaker is not None and not flight.cancelled():
            if flight.exception() is None:
                self._breaker.on_answer()
            elif asyncio.get_running_loop().time() < until:
                self._breaker.on_failure()
        if on_done is not None:
            on_done(flight)
        # This marks the exception as retrieved, in case all waiters were cancelled.
        if not flight.cancelled() and flight.exception() is not None:
            self.failed += 1
