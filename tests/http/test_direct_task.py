"""Tasks that run at once."""

import asyncio

import pytest

from chrysaetos.http.direct_task import DirectFuture, DirectTask


def loop():
    return asyncio.get_running_loop()


def start(coroutine):
    """Start a task as a callback of the event loop does, outside of other tasks."""
    task = DirectTask(coroutine, loop())
    loop().call_soon(task.wake_up)
    return task


async def called(function):
    """Call a function outside of all tasks, and return what it returns."""
    result = loop().create_future()
    loop().call_soon(lambda: result.set_result(function()))
    return await result


async def test_what_waits_for_nothing_ends_in_the_callback_that_starts_it():
    done = []

    async def work():
        done.append(asyncio.current_task())

    def begin():
        task = DirectTask(work(), loop())
        task.wake_up()
        return task, list(done)

    task, before = await called(begin)
    assert before == [task]
    assert task.get_loop() is loop()


async def test_a_delivered_result_continues_the_task_before_the_callback_returns():
    future, got = DirectFuture[int](loop=loop()), []

    async def work():
        got.append(await future)

    start(work())
    await asyncio.sleep(0)

    def deliver():
        future.deliver(1)
        return list(got)

    assert await called(deliver) == [1]


async def test_other_tasks_can_await_what_is_delivered():
    future = DirectFuture[int](loop=loop())

    async def work():
        return await future

    waiting = [asyncio.create_task(work()) for _ in range(2)]
    await asyncio.sleep(0)
    future.deliver(1)
    assert await asyncio.gather(*waiting) == [1, 1]


async def test_inside_of_another_task_it_continues_later():
    future = DirectFuture[int](loop=loop())
    got: list[object] = []

    async def work():
        got.append(asyncio.current_task())
        await future
        got.append(asyncio.current_task())

    task = DirectTask(work(), loop())
    task.wake_up()
    assert got == []
    await asyncio.sleep(0)
    future.deliver(1)
    assert got == [task]
    await asyncio.sleep(0)
    assert got == [task, task]


async def test_exceptions_timeouts_and_turns_of_the_loop():
    future, steps = DirectFuture[int](loop=loop()), []

    async def work():
        await asyncio.sleep(0)
        try:
            await future
        except ZeroDivisionError:
            steps.append("exception")
        try:
            async with asyncio.timeout(0.01):
                await loop().create_future()
        except TimeoutError:
            steps.append("timeout")
        steps.append(await asyncio.to_thread(lambda: "thread"))

    task = start(work())
    await asyncio.sleep(0.01)
    future.set_exception(ZeroDivisionError())
    await asyncio.sleep(0.2)
    assert steps == ["exception", "timeout", "thread"]
    assert task.cancelling() == 0


@pytest.mark.parametrize("kind", [asyncio.Future, DirectFuture])
async def test_cancelling_a_task_that_waits(kind):
    future, ends = kind(loop=loop()), []

    async def work():
        try:
            await future
        finally:
            ends.append(future.cancelled())
            await asyncio.sleep(0)
            ends.append("cleaned up")

    async def outer():
        try:
            await work()
        except asyncio.CancelledError:
            ends.append("cancelled")

    task = start(outer())
    await asyncio.sleep(0.01)
    assert task.cancel()
    await asyncio.sleep(0.01)
    assert ends == [True, "cleaned up", "cancelled"]


async def test_cancelling_a_task_that_runs_or_has_not_started():
    ends = []

    async def cancels_itself():
        running = asyncio.current_task()
        assert running is not None
        running.cancel()
        try:
            await loop().create_future()
        except asyncio.CancelledError:
            ends.append("at the next wait")

    start(cancels_itself())
    await asyncio.sleep(0.01)

    async def never():
        ends.append("started")

    async def guarded():
        try:
            await asyncio.sleep(0)
            await never()
        except asyncio.CancelledError:
            ends.append("before it went on")

    task = start(guarded())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.01)
    assert ends == ["at the next wait", "before it went on"]


async def test_a_task_that_was_cancelled_before_its_start_is_cancelled_at_its_first_wait():
    ends = []

    async def work():
        ends.append("started")
        try:
            await loop().create_future()
        except asyncio.CancelledError:
            ends.append("cancelled")

    task = start(work())
    task.cancel()
    await asyncio.sleep(0.01)
    assert ends == ["started", "cancelled"]
