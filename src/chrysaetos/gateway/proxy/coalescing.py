"""Identical reads that are under way at once, and share one request to the upstream.

The first one asks; those that come while it waits get a copy of its answer. This holds for answers that have
arrived whole with their head, which nearly all small ones do. A longer one is streamed to whoever asked for
it, at the pace of that client; the others then ask for themselves.

What must never happen, and what stands against it:

- *An answer reaches another scope.* The scope is part of the key, and so is every byte of the request that
  the upstream gets.
- *A client that goes away takes others with it.* When the one who asked is cancelled, those who waited begin
  anew: one of them asks. Each waits on a future of its own, so its cancellation touches nobody else.
- *An answer is old.* One that was asked for longer than ``max_age`` ago is not waited for.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.http.upstream.response import UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Key", "Sharing"]


class Key(NamedTuple):
    """What makes two reads the same.

    Attributes:
        method: the method.
        target: path and query, as the upstream gets them.
        body: the body, as the upstream gets it.
        matcher: the scope's matcher, empty for callers who may see everything.
        headers: the headers of this request, as the upstream gets them.
    """

    method: str
    target: bytes
    body: bytes
    matcher: str
    headers: tuple[tuple[bytes, bytes], ...]


class _Turn(Enum):
    """What those who waited do, when there is no answer for them."""

    ALONE = "alone"
    AGAIN = "again"


_Outcome = UpstreamResponse | Exception | _Turn


class _Flight:
    """A request under way, and who waits for its answer."""

    __slots__ = ("since", "waiters")

    def __init__(self, since: float) -> None:
        self.since = since
        self.waiters: list[asyncio.Future[_Outcome]] = []


class Sharing:
    """Lets identical reads share one request.

    Args:
        max_age: seconds since a request was sent after which nobody joins it any more. An instant query
            without a time is answered for the moment when it was sent.
        clock: seconds, monotonic.

    Attributes:
        shared: requests that were answered with somebody else's answer or error.
        alone: requests that waited for an answer which turned out to be streamed.
    """

    def __init__(self, *, max_age: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age = max_age
        self._clock = clock
        self._flights: dict[Key, _Flight] = {}
        self.shared = 0
        self.alone = 0

    def __len__(self) -> int:
        """Requests under way that can be joined."""
        return len(self._flights)

    async def fetch(self, key: Key, ask: Callable[[], Awaitable[UpstreamResponse]]) -> UpstreamResponse:
        """The answer to a read.

        Args:
            key: what it is. Only for what is safe to be asked once for many: reads.
            ask: sends it.

        Returns:
            The answer. Each caller gets one of its own, and reads it to its end or aborts it.

        Raises:
            Exception: whatever ``ask`` raises, to all who share it.
        """
        while True:
            now = self._clock()
            flight = self._flights.get(key)
            if flight is None or now - flight.since > self._max_age:
                break
            waiter: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
            flight.waiters.append(waiter)
            outcome = await waiter
            if outcome is _Turn.AGAIN:
                continue
            if outcome is _Turn.ALONE:
                self.alone += 1
                return await ask()
            self.shared += 1
            if isinstance(outcome, UpstreamResponse):
                return outcome
            raise outcome

        self._flights[key] = flight = _Flight(now)
        response: UpstreamResponse | None = None
        failure: Exception | None = None
        try:
            response = await ask()
        except Exception as error:
            failure = error
            raise
        finally:
            # A flight that had grown too old may have been followed by another one.
            if self._flights.get(key) is flight:
                del self._flights[key]
            if flight.waiters:
                _tell(flight.waiters, response, failure)
        return response


def _tell(
    waiters: list[asyncio.Future[_Outcome]], response: UpstreamResponse | None, failure: Exception | None
) -> None:
    """Give everyone who waited, and still does, an answer of their own, or say what to do without."""
    body = None if response is None else response.body
    for waiter in waiters:
        if waiter.done():
            continue
        if failure is not None:
            waiter.set_result(failure)
        elif response is None:
            waiter.set_result(_Turn.AGAIN)
        elif body is None:
            waiter.set_result(_Turn.ALONE)
        else:
            headers = list(response.headers)
            copy = UpstreamResponse(response.status, headers, response.content_length, body, None)
            waiter.set_result(copy)
