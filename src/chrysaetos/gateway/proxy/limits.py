"""How much may be under way at once, in all and for each project, and how long an answer may be.

What must never happen, and what stands against it:

- *One tenant starves the others.* Each project waits in a queue of its own, first come, first served. A slot
  that becomes free goes to the waiting projects in turn, so among N of them a single request waits for N
  slots at most, however many requests another project has queued.
- *A slot is lost, or given out twice.* A slot is counted where it is handed over, never where the waiter
  wakes up; a waiter that was cancelled in between gives it back.
- *A newcomer overtakes.* Whenever a project can be served, it has been: who waits does so because its project
  is at its limit or because all slots are taken, and in both cases a newcomer has to wait too.

Everything runs in one event loop, so there are no locks, and each step is O(1).
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from chrysaetos.errors import AnswerTooLong, ApiError, TooManyRequests, Unavailable
from chrysaetos.http.upstream.response import UpstreamBroken

if TYPE_CHECKING:
    from chrysaetos.http.upstream.response import UpstreamResponse
    from chrysaetos.identity.caller import Caller

__all__ = ["Capped", "LimitOptions", "Limits", "account"]

_Waiter = asyncio.Future[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """How many requests may be under way and may wait, in one worker.

    Attributes:
        max_requests: requests under way; 0 for any number.
        max_requests_per_project: of one project; 0 for any number.
        max_waiting: requests that wait for one of these to end; 0 if none may.
        max_waiting_per_project: of one project.
        wait_seconds: how long they wait.

    Raises:
        ValueError: a value is negative.
    """

    max_requests: int = 100
    max_requests_per_project: int = 20
    max_waiting: int = 1000
    max_waiting_per_project: int = 100
    wait_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")


def account(caller: Caller) -> str:
    """On whose account a caller's requests go: the project's; without one the domain's or the user's."""
    if caller.project_id is not None:
        return caller.project_id
    if caller.domain_id is not None:
        return f"domain {caller.domain_id}"
    return f"user {caller.user_id}"


class Limits:
    """Counts requests under way and makes those that are too many wait.

    Args:
        options: the limits.

    Attributes:
        in_use: requests under way.
        waiting: requests that wait.
        waited: requests that had to wait, whatever became of them.
        refused: requests that were refused for their project's limit.
        refused_in_all: requests that were refused for the limit of all.
    """

    def __init__(self, options: LimitOptions) -> None:
        self._options = options
        self._total = options.max_requests or sys.maxsize
        self._each = options.max_requests_per_project or sys.maxsize
        self._running: dict[str, int] = {}
        self._queues: dict[str, OrderedDict[_Waiter, None]] = {}
        # Projects that have a queue and are below their own limit, in the order of their turns.
        self._turns: OrderedDict[str, None] = OrderedDict()
        self.in_use = 0
        self.waiting = 0
        self.waited = 0
        self.refused = 0
        self.refused_in_all = 0

    @property
    def projects(self) -> int:
        """Projects that have a request under way."""
        return len(self._running)

    def running(self, project: str) -> int:
        """Requests of one project under way."""
        return self._running.get(project, 0)

    def try_acquire(self, project: str) -> bool:
        """Take a slot if there is one.

        Args:
            project: from ``account``.

        Returns:
            Whether a slot was taken. Each is given back by ``release``.
        """
        running = self._running.get(project, 0)
        if running >= self._each or self.in_use >= self._total:
            return False
        self._running[project] = running + 1
        self.in_use += 1
        return True

    async def acquire(self, project: str) -> None:
        """Take a slot, and wait for it if need be. It is given back by ``release``.

        Args:
            project: from ``account``.

        Raises:
            TooManyRequests: the project has too many requests under way.
            Unavailable: all slots are taken, or too many requests wait.
        """
        if self.try_acquire(project):
            return
        self._check_room(project)
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        self._queues.setdefault(project, OrderedDict())[waiter] = None
        self.waiting += 1
        self.waited += 1
        if self.running(project) < self._each:
            self._turns[project] = None
        try:
            async with asyncio.timeout(self._options.wait_seconds):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.release(project)
            else:
                self._leave(project, waiter)
            if isinstance(error, TimeoutError):
                seconds = self._options.wait_seconds
                raise self._refusal(project, f"none ended within {seconds:g} s") from None
            raise

    def release(self, project: str) -> None:
        """Give a slot back. Whoever's turn it is gets it.

        Args:
            project: what it was taken for.
        """
        left = self._running[project] - 1
        if left:
            self._running[project] = left
        else:
            del self._running[project]
        self.in_use -= 1
        if self.waiting:
            if project in self._queues:
                self._turns[project] = None
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the free slots to those whose turn it is."""
        while self._turns and self.in_use < self._total:
            project, _ = self._turns.popitem(last=False)
            queue = self._queues[project]
            while queue:
                waiter, _ = queue.popitem(last=False)
                self.waiting -= 1
                if not waiter.done():
                    self._running[project] = self.running(project) + 1
                    self.in_use += 1
                    waiter.set_result(None)
                    break
            if not queue:
                del self._queues[project]
            elif self.running(project) < self._each:
                self._turns[project] = None

    def _leave(self, project: str, waiter: _Waiter) -> None:
        """A waiter has gone before its turn."""
        queue = self._queues.get(project)
        if queue is None or waiter not in queue:
            return
        del queue[waiter]
        self.waiting -= 1
        if not queue:
            del self._queues[project]
            self._turns.pop(project, None)

    def _check_room(self, project: str) -> None:
        """Refuse a request for which there is no room to wait."""
        options = self._options
        if len(self._queues.get(project, ())) >= options.max_waiting_per_project:
            most = options.max_waiting_per_project
            raise self._refusal(project, f"{most} of the project wait already (max_waiting_per_project)")
        if self.waiting >= options.max_waiting:
            raise self._refusal(project, f"{options.max_waiting} wait already (max_waiting)")

    def _refusal(self, project: str, reason: str) -> ApiError:
        """The answer for a request that cannot be served, which names the limit."""
        if self.running(project) >= self._each:
            self.refused += 1
            return TooManyRequests(
                f"the project may have {self._each} requests under way at once (max_requests_per_project), "
                f"and {reason}: send fewer at once, or try again later"
            )
        self.refused_in_all += 1
        return Unavailable(
            f"the gateway serves {self._total} requests at once (max_requests), and {reason}: try again later"
        )


class Capped:
    """The body of an answer, up to a number of bytes as they are sent.

    What is known to be too long before its first byte was taken becomes an error that the client can read;
    what turns out to be so later can only be broken off.

    Args:
        response: the answer.
        limit: bytes, more than 0.

    Raises:
        AnswerTooLong: it is longer. It has been given up.
    """

    __slots__ = ("_left", "_limit", "_response")

    def __init__(self, response: UpstreamResponse, limit: int) -> None:
        whole = response.body
        size = response.content_length if whole is None else len(whole)
        if size is not None and size > limit:
            response.abort()
            raise AnswerTooLong(
                f"the answer is longer than {limit} bytes (max_response_bytes): "
                "ask for fewer series, a shorter time or a longer step"
            )
        self._response = response
        self._limit = self._left = limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the body.

        Raises:
            UpstreamBroken: the body is longer than the limit, or broke off by itself.
        """
        piece = await anext(self._response)
        self._left -= len(piece)
        if self._left < 0:
            self._response.abort()
            raise UpstreamBroken(f"The answer is longer than {self._limit} bytes (max_response_bytes).")
        return piece
