"""Tasks that run at once, in the callback that has something for them.

A task of asyncio starts, and continues, in a later turn of the event loop. A ``DirectTask`` starts in the
callback that has read a request, and continues in the one that has read the response to it: a request that
waits for nothing else needs no turn of the loop between its arrival and its departure.

To everything that it awaits, a direct task is a task like any other: timeouts, locks, futures and
cancellation work in it (Python documentation, "Extending asyncio", "Task lifetime support").
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["DirectFuture", "DirectTask"]

T = TypeVar("T")


class DirectFuture(asyncio.Future[T]):
    """A future that can continue a direct task at once.

    Attributes:
        task: the direct task that awaits it, if there is one.
    """

    task: DirectTask | None = None

    def deliver(self, result: T) -> None:
        """Set the result, and continue the direct task that awaits it before returning.

        Only callbacks of the event loop may call this. A task of another kind continues later.
        """
        task, self.task = self.task, None
        if task is None:
            self.set_result(result)
            return
        self.remove_done_callback(task.wake_up)
        self.set_result(result)
        task.wake_up()


class DirectTask:
    """Runs a coroutine.

    It starts even if it was cancelled before, and is then cancelled where it first waits, so that it can
    release what it was given.

    Args:
        coroutine: what to run. Its result is ignored, and it must handle its exceptions.
        loop: the event loop, which runs.
    """

    __slots__ = (
        "__weakref__",
        "_cancellations",
        "_coroutine",
        "_loop",
        "_must_cancel",
        "_started",
        "_waits_for",
    )

    def __init__(self, coroutine: Coroutine[Any, Any, object], loop: asyncio.AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._waits_for: asyncio.Future[Any] | None = None
        self._started = False
        self._must_cancel = False
        self._cancellations = 0

    def wake_up(self, _: object = None) -> None:
        """Start, or continue because what the coroutine awaited is done.

        Inside of another task, that happens later.
        """
        self._waits_for = None
        try:
            _enter_task(self._loop, self)  # type: ignore[arg-type]  # it is a task to asyncio
        except RuntimeError:
            self._loop.call_soon(self.wake_up)
            return
        try:
            if self._must_cancel and self._started:
                self._must_cancel = False
                awaited = self._coroutine.throw(asyncio.CancelledError())
            else:
                self._started = True
                awaited = self._coroutine.send(None)
        except StopIteration:
            return
        finally:
            _leave_task(self._loop, self)  # type: ignore[arg-type]  # as above
        if awaited is None:  # asyncio.sleep(0)
            self._loop.call_soon(self.wake_up)
            return
        # What Future.__await__ sets and asyncio's tasks reset.
        awaited._asyncio_future_blocking = False  # noqa: SLF001  # see the line above
        self._waits_for = awaited
        if type(awaited) is DirectFuture:
            awaited.task = self
        awaited.add_done_callback(self.wake_up)
        if self._must_cancel and awaited.cancel():
            self._must_cancel = False

    # what asyncio calls: see asyncio.Task

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._loop

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002  # as asyncio.Task
        """Raise ``CancelledError`` in the coroutine."""
        self._cancellations += 1
        if self._waits_for is None or not self._waits_for.cancel():
            self._must_cancel = True
        return True

    def cancelling(self) -> int:
        """Return the number of cancellations that were not taken back."""
        return self._cancellations

    def uncancel(self) -> int:
        """Take back a cancellation, as ``asyncio.timeout`` does with its own."""
        self._cancellations -= 1
        return self._cancellations
