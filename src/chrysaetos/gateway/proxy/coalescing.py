"""Coalesce identical concurrent reads into one request to the upstream.

The first caller sends the request; callers that arrive before its response get a copy of it. Only responses
whose body has already arrived are shared, which is true of nearly all small ones. A longer response is
streamed to the first caller, at the pace of its client; the others then send requests of their own.

What must never happen, and what prevents it:

- *A response reaches another scope.* The scope is part of the key, and so is every byte of the request that
  the upstream gets.
- *A client that disconnects affects others.* If the first caller is cancelled, the others start again, and
  one of them sends the request. Each waits on its own future, so cancelling it affects no other caller.
- *A response is stale.* No caller joins a request that was sent more than ``max_age`` seconds ago.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.http.upstream.response import UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Coalescer", "Key"]


class Key(NamedTuple):
    """The key of a read: reads with equal keys are identical.

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


class _Instead(Enum):
    """What waiting callers do if there is no response to share."""

    ALONE = "alone"
    AGAIN = "again"


_Outcome = UpstreamResponse | Exception | _Instead


class _InFlight:
    """A request in flight, and the callers that wait for its response."""

    __slots__ = ("since", "waiters")

    def __init__(self, since: float) -> None:
        self.since = since
        self.waiters: list[asyncio.Future[_Outcome]] = []


class Coalescer:
    """Coalesces identical reads.

    Args:
        max_age: seconds after which no further caller joins a request. An instant query without a time is
            evaluated when it was sent.
        clock: monotonic time in seconds.

    Attributes:
        shared: reads that got the response or error of another caller's request.
        alone: reads that waited and then sent their own request, because the response was streamed.
    """

    def __init__(self, *, max_age: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_age = max_age
        self._clock = clock
        self._requests: dict[Key, _InFlight] = {}
        self.shared = 0
        self.alone = 0

    def __len__(self) -> int:
        """Return the number of requests in flight that callers can join."""
        return len(self._requests)

    async def fetch(self, key: Key, send: Callable[[], Awaitable[UpstreamResponse]]) -> UpstreamResponse:
        """Return the response to a read.

        Args:
            key: the key of the read. Requests that change anything must not be coalesced.
            send: sends the request.

        Returns:
            A response for this caller, which must read it to its end or abort it.

        Raises:
            Exception: any exception of ``send``, for each caller that shares the request.
        """
        while True:
            now = self._clock()
            request = self._requests.get(key)
            if request is None or now - request.since > self._max_age:
                break
            waiter: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
            request.waiters.append(waiter)
            outcome = await waiter
            if outcome is _Instead.AGAIN:
                continue
            if outcome is _Instead.ALONE:
                self.alone += 1
                return await send()
            self.shared += 1
            if isinstance(outcome, UpstreamResponse):
                return outcome
            raise outcome

        self._requests[key] = request = _InFlight(now)
        response: UpstreamResponse | None = None
        failure: Exception | None = None
        try:
            response = await send()
        except Exception as error:
            failure = error
            raise
        finally:
            # If this request was too old to join, another one may have replaced it.
            if self._requests.get(key) is request:
                del self._requests[key]
            if request.waiters:
                _share(request.waiters, response, failure)
        return response


def _share(
    waiters: list[asyncio.Future[_Outcome]], response: UpstreamResponse | None, failure: Exception | None
) -> None:
    """Give each caller that still waits its own copy of the response, or what to do instead."""
    body = None if response is None else response.body
    for waiter in waiters:
        if waiter.done():
            continue
        if failure is not None:
            waiter.set_result(failure)
        elif response is None:
            waiter.set_result(_Instead.AGAIN)
        elif body is None:
            waiter.set_result(_Instead.ALONE)
        else:
            headers = list(response.headers)
            copy = UpstreamResponse(response.status, headers, response.content_length, body, None)
            waiter.set_result(copy)
