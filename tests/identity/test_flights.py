from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from chrysaetos.errors import Unavailable
from chrysaetos.identity.flights import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="none")


class Call:
    """A blocking call that ends when the test tells it to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self.go = threading.Event()
        self.error = error

    def __call__(self) -> int:
        self.count += 1
        self.go.wait(10)
        if self.error is not None:
            raise self.error
        return self.count


@pytest.fixture
def flights() -> Iterator[SingleFlight[int]]:
    flights: SingleFlight[int] = SingleFlight("test", threads=2, waiting=3)
    yield flights
    flights.close()


async def _waiters(flights: SingleFlight[int], call: Call, number: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(flights.run(b"k", call)) for _ in range(number)]
    await asyncio.sleep(0.01)
    return tasks


async def test_many_waiters_share_one_call(flights: SingleFlight[int]):
    call = Call()
    tasks = await _waiters(flights, call, 200)
    call.go.set()
    assert await asyncio.gather(*tasks) == [1] * 200
    assert call.count == 1


async def test_the_result_of_a_call_is_not_cached(flights: SingleFlight[int]):
    call = Call()
    call.go.set()
    assert await flights.run(b"k", call) == 1
    assert b"k" not in flights
    assert await flights.run(b"k", call) == 2


async def test_different_keys_are_different_calls(flights: SingleFlight[int]):
    call = Call()
    call.go.set()
    await asyncio.gather(flights.run(b"a", call), flights.run(b"b", call))
    assert call.count == 2


async def test_a_cancelled_waiter_leaves_the_others_and_the_call_alone(flights: SingleFlight[int]):
    call = Call()
    tasks = await _waiters(flights, call, 3)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    call.go.set()
    assert await asyncio.gather(*tasks[1:]) == [1, 1]


async def test_the_outcome_is_stored_even_if_every_waiter_was_cancelled(flights: SingleFlight[int]):
    call = Call()
    results: asyncio.Queue[int] = asyncio.Queue()
    task = asyncio.create_task(flights.run(b"k", call, lambda flight: results.put_nowait(flight.result())))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    call.go.set()
    assert await asyncio.wait_for(results.get(), 5) == 1
    assert b"k" not in flights


async def test_an_exception_goes_to_all_waiters(flights: SingleFlight[int]):
    call = Call(error=Unavailable("down"))
    tasks = await _waiters(flights, call, 5)
    call.go.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
    assert call.count == 1


async def test_the_outcome_is_stored_before_a_waiter_continues(flights: SingleFlight[int]):
    order: list[str] = []
    await flights.run(b"k", lambda: 1, lambda _: order.append("on_done"))
    order.append("waiter")
    assert order == ["on_done", "waiter"]


async def test_too_many_keys_are_rejected(flights: SingleFlight[int]):
    call = Call()
    tasks = [asyncio.create_task(flights.run(b"%d" % number, call)) for number in range(3)]
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await flights.run(b"3", call)
    joined = asyncio.create_task(flights.run(b"0", call))
    call.go.set()
    await asyncio.gather(joined, *tasks)
    assert call.count == 3


async def test_the_threads_do_not_get_the_context_of_a_request(flights: SingleFlight[int]):
    REQUEST.set("mine")
    seen: list[str] = []

    def call() -> int:
        seen.append(REQUEST.get())
        return 0

    await flights.run(b"k", call)
    assert seen == ["none"]


async def test_close_stops_the_threads_and_rejects_later_calls():
    flights: SingleFlight[int] = SingleFlight("closing", threads=2, waiting=3)
    await flights.run(b"k", lambda: 1)
    assert any(thread.name.startswith("closing") for thread in threading.enumerate())
    flights.close()
    assert not any(thread.name.startswith("closing") for thread in threading.enumerate())
    with pytest.raises(Unavailable):
        await flights.run(b"k", lambda: 1)


async def test_calls_that_raise_are_counted_once_each(flights: SingleFlight[int]):
    call = Call(error=Unavailable("down"))
    call.go.set()
    await asyncio.gather(*(flights.run(b"k", call) for _ in range(5)), return_exceptions=True)
    assert await flights.run(b"l", lambda: 1) == 1
    assert flights.failed == 1


async def test_a_thread_that_cannot_start_is_named_and_logged_once(flights, monkeypatch, caplog):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    failures = []

    def settle(flight):
        failures.append(type(flight.exception()))

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for key in (b"a", b"b"):
            with pytest.raises(Unavailable, match="cannot start a thread"):
                await flights.run(key, lambda: 1, settle)
    assert failures == [Unavailable, Unavailable]
    assert [record.getMessage() for record in caplog.records] == [
        "no thread can be started for requests to Keystone: can't start new thread"
    ]
    assert await flights.run(b"a", lambda: 2) == 2


async def test_close_does_not_wait_for_a_call_that_hangs():
    flights: SingleFlight[int] = SingleFlight("closing", threads=1, waiting=3)
    call = Call()
    tasks = [asyncio.create_task(flights.run(key, call)) for key in (b"runs", b"queued")]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    flights.close()
    assert time.monotonic() - began < 2
    await asyncio.wait(tasks, timeout=1)
    assert all(task.cancelled() for task in tasks)
    call.go.set()
    assert call.count == 1
