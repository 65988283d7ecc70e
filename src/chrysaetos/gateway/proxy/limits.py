"""Limit concurrent requests, in total and for each project.

What must never happen, and what prevents it:

- *One tenant starves the others.* Each project has its own queue, first come, first served. A free slot goes
  to the waiting projects in turn, so with N waiting projects a request at the head of its queue waits for at
  most N slots, however many requests another project has queued.
- *A slot is lost or assigned twice.* A slot is counted when it is assigned, not when the waiter wakes up; a
  waiter that was cancelled in between releases it.
- *Slow clients keep others out.* A slot is held until the upstream has responded. While the response is sent,
  the request counts only for its project. If too many responses are being sent, the project with the most of
  them loses its oldest.
- *A new request overtakes.* A request waits only if its project is at its limit or if all slots are taken. In
  both cases a new request has to wait as well.

Everything runs in one event loop, so there are no locks, and each step is O(1).
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from chrysaetos.errors import ApiError, TooManyRequests, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.identity.caller import Caller

__all__ = ["LimitOptions", "Limits", "Slot", "account"]

_Waiter = asyncio.Future[None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """Limits on the requests of a worker.

    Attributes:
        max_requests: requests that are prepared or wait for the upstream; 0 for no limit.
        max_requests_per_project: requests of a project, including those whose response is being sent; 0 for
            no limit.
        max_sending: responses that are being sent; 0 for no limit.
        max_waiting: requests that wait for a slot; 0 to reject them instead.
        max_waiting_per_project: requests of a project that wait for a slot.
        wait_seconds: the longest time that a request waits.
    """

    max_requests: int = 100
    max_requests_per_project: int = 10
    max_sending: int = 100
    max_waiting: int = 1000
    max_waiting_per_project: int = 100
    wait_seconds: float = 10.0


def account(caller: Caller, project_id: str | None = None) -> str:
    """Return the key for counting a request: its project, or else the caller's domain or user.

    Requests of a domain count for it even if they are restricted to one of its projects: its limits would
    otherwise be multiplied by the number of its projects.

    Args:
        caller: the caller.
        project_id: the project that the request is restricted to; None for the caller's own.
    """
    if project_id is not None and caller.domain_id is None:
        return project_id
    if caller.project_id is not None:
        return caller.project_id
    if caller.domain_id is not None:
        return f"domain {caller.domain_id}"
    return f"user {caller.user_id}"


class Limits:
    """Limits concurrent requests; further ones wait for a slot.

    Args:
        options: the limits.

    Attributes:
        in_use: requests that hold a slot.
        sending: responses that are being sent.
        aborted: responses that were aborted because too many were being sent.
        waiting: requests that wait for a slot.
        waited: requests that have waited for a slot, whether they got it or not.
        refused: requests that were rejected because of their project's limit.
        refused_in_all: requests that were rejected because of the limit on all requests.
    """

    def __init__(self, options: LimitOptions) -> None:
        self._options = options
        self._total = options.max_requests or sys.maxsize
        self._each = options.max_requests_per_project or sys.maxsize
        self._max_sending = options.max_sending or sys.maxsize
        self._running: dict[str, int] = {}
        self._sending: dict[str, dict[Slot, None]] = {}
        self._queues: dict[str, OrderedDict[_Waiter, None]] = {}
        # Projects with waiting requests that are below their own limit, in the order of their turns.
        self._turns: OrderedDict[str, None] = OrderedDict()
        self.in_use = 0
        self.sending = 0
        self.aborted = 0
        self.waiting = 0
        self.waited = 0
        self.refused = 0
        self.refused_in_all = 0

    @property
    def projects(self) -> int:
        """The number of projects with requests that run or whose response is being sent."""
        return len(self._running)

    def running(self, project: str) -> int:
        """Return the number of requests of a project that run or whose response is being sent."""
        return self._running.get(project, 0)

    def try_acquire(self, project: str) -> bool:
        """Take a slot if one is free.

        Args:
            project: the key from ``account``.

        Returns:
            Whether a slot was taken. Call ``release`` to release it.
        """
        running = self._running.get(project, 0)
        if running >= self._each or self.in_use >= self._total:
            return False
        self._running[project] = running + 1
        self.in_use += 1
        return True

    async def acquire(self, project: str) -> None:
        """Take a slot, waiting for one if necessary. Call ``release`` to release it.

        Args:
            project: the key from ``account``.

        Raises:
            TooManyRequests: the project is at its limit, and waiting failed.
            Unavailable: all slots are taken, and waiting failed.
        """
        if self.try_acquire(project):
            return
        self._check_queues(project)
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
                self._remove_waiter(project, waiter)
            if isinstance(error, TimeoutError):
                seconds = self._options.wait_seconds
                raise self._refusal(project, f"no slot became free within {seconds:g} s") from None
            raise

    def release(self, project: str) -> None:
        """Release a slot and assign it to the next waiting request.

        Args:
            project: the key that the slot was taken with.
        """
        self._leave(project, slots=1)

    def start_sending(self, slot: Slot) -> None:
        """Release the slot of a request whose response is going to be sent.

        If too many responses are being sent, one is aborted. Call ``stop_sending`` afterwards.
        """
        self._sending.setdefault(slot.project, {})[slot] = None
        self.sending += 1
        self.in_use -= 1
        if self.waiting:
            self._assign_slots()
        if self.sending > self._max_sending:
            most = max(self._sending.values(), key=len)
            oldest = next(iter(most))
            self._remove_sending(oldest)
            self.aborted += 1
            oldest.abort()

    def stop_sending(self, slot: Slot) -> None:
        """Count a response no more, because it has been sent or aborted."""
        if slot in self._sending.get(slot.project, ()):
            self._remove_sending(slot)
        self._leave(slot.project, slots=0)

    def _remove_sending(self, slot: Slot) -> None:
        slots = self._sending[slot.project]
        del slots[slot]
        if not slots:
            del self._sending[slot.project]
        self.sending -= 1

    def _leave(self, project: str, *, slots: int) -> None:
        """Count one request less for a project, which may have held a slot."""
        left = self._running[project] - 1
        self.in_use -= slots
        if left:
            self._running[project] = left
        else:
            del self._running[project]
        if self.waiting:
            if project in self._queues:
                self._turns[project] = None
            self._assign_slots()

    def _assign_slots(self) -> None:
        """Assign the free slots to the projects whose turn it is."""
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

    def _remove_waiter(self, project: str, waiter: _Waiter) -> None:
        """Remove a waiter that got no slot."""
        queue = self._queues.get(project)
        if queue is None or waiter not in queue:
            return
        del queue[waiter]
        self.waiting -= 1
        if not queue:
            del self._queues[project]
            self._turns.pop(project, None)

    def _check_queues(self, project: str) -> None:
        """Raise an error if the request may not wait."""
        options = self._options
        maximum = options.max_waiting_per_project
        if len(self._queues.get(project, ())) >= maximum:
            raise self._refusal(
                project, f"{maximum} of its requests are already waiting (max_waiting_per_project)"
            )
        if self.waiting >= options.max_waiting:
            raise self._refusal(project, f"{options.max_waiting} requests are already waiting (max_waiting)")

    def _refusal(self, project: str, reason: str) -> ApiError:
        """Return the error for a request that got no slot. It names the limit."""
        if self.running(project) >= self._each:
            self.refused += 1
            return TooManyRequests(
                f"the project may have {self._each} concurrent requests (max_requests_per_project), "
                f"and {reason}: send fewer concurrent requests, or retry later"
            )
        self.refused_in_all += 1
        return Unavailable(
            f"the gateway serves {self._total} concurrent requests (max_requests), and {reason}: retry later"
        )


class Slot:
    """The slot of a request, as a context manager that releases it.

    Args:
        limits: the limits that the slot was acquired from.
        project: the key that it was acquired with.
        abort: aborts the response. It must not release the slot before it has returned.
    """

    __slots__ = ("_limits", "_sending", "abort", "project")

    def __init__(self, limits: Limits, project: str, abort: Callable[[], object]) -> None:
        self.project = project
        self.abort = abort
        self._limits = limits
        self._sending = False

    def __enter__(self) -> Self:
        return self

    def start_sending(self) -> None:
        """Release the slot before the response is sent. It is aborted if too many are being sent."""
        self._sending = True
        self._limits.start_sending(self)

    def __exit__(self, *_: object) -> None:
        if self._sending:
            self._limits.stop_sending(self)
        else:
            self._limits.release(self.project)
