"""Limits: never exceeded, no slot is lost, and no project starves."""

import asyncio
import random
from collections import Counter
from functools import partial

import pytest

from chrysaetos.errors import TooManyRequests, Unavailable
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits, Slot, account
from chrysaetos.identity.caller import Caller


def limits(total=2, each=2, waiting=1000, waiting_each=1000, seconds=60.0):
    return Limits(
        LimitOptions(
            max_requests=total,
            max_requests_per_project=each,
            max_waiting=waiting,
            max_waiting_per_project=waiting_each,
            wait_seconds=seconds,
        )
    )


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def waiting(these, *projects):
    """Start a task that waits for a slot for each project, in this order."""
    tasks = [asyncio.create_task(these.acquire(project)) for project in projects]
    await settle()
    assert not any(task.done() for task in tasks)
    return tasks


def assert_nothing_left(these):
    assert (these.in_use, these.waiting, these.projects) == (0, 0, 0)
    assert these._running == {}
    assert these._queues == {}
    assert not these._turns


async def test_slots_are_taken_and_released():
    these = limits(total=3, each=2)
    assert [these.try_acquire(project) for project in "AAABB"] == [True, True, False, True, False]
    assert (these.in_use, these.running("A"), these.running("B"), these.projects) == (3, 2, 1, 2)
    these.release("A")
    assert these.try_acquire("B")
    for project in "ABB":
        these.release(project)
    assert_nothing_left(these)


async def test_slot_that_was_not_taken_cannot_be_released():
    these = limits()
    these.try_acquire("A")
    with pytest.raises(KeyError):
        these.release("B")
    assert these.in_use == 1


async def test_a_response_that_is_sent_holds_no_slot_but_counts_for_its_project():
    these = limits(total=2, each=2)
    these.try_acquire("A")
    these.try_acquire("A")
    waiter, *others = await waiting(these, "B", "A")
    sent = Slot(these, "A", pytest.fail)
    these.start_sending(sent)
    await settle()
    assert waiter.done()
    assert not others[0].done()
    assert (these.in_use, these.sending, these.running("A")) == (2, 1, 2)
    these.stop_sending(sent)
    await settle()
    assert (these.in_use, these.sending, these.running("A")) == (2, 0, 1)
    these.release("A")
    await others[0]
    for project in "AB":
        these.release(project)
    assert_nothing_left(these)


async def test_the_project_with_the_most_responses_loses_its_oldest():
    these = Limits(LimitOptions(max_sending=3))
    aborted: list[object] = []
    sent = [Slot(these, project, partial(aborted.append, at)) for at, project in enumerate("ABBAC")]
    for slot in sent[:4]:
        these.try_acquire(slot.project)
        these.start_sending(slot)
    assert (aborted, these.sending, these.aborted) == ([0], 3, 1)
    these.try_acquire("C")
    these.start_sending(sent[4])
    assert (aborted, these.sending) == ([0, 1], 3)
    for slot in sent:
        these.stop_sending(slot)
    assert these.sending == 0
    assert these._sending == {}
    assert_nothing_left(these)


async def test_slot_of_a_request_is_released_whatever_happens():
    these = limits()
    await these.acquire("A")
    with pytest.raises(ZeroDivisionError), Slot(these, "A", pytest.fail):
        raise ZeroDivisionError
    assert_nothing_left(these)
    await these.acquire("A")
    with Slot(these, "A", pytest.fail) as slot:
        slot.start_sending()
        assert (these.in_use, these.sending, these.projects) == (0, 1, 1)
    assert these.sending == 0
    assert_nothing_left(these)


async def test_no_limit_of_responses():
    these = Limits(LimitOptions(max_sending=0, max_requests_per_project=0))
    for _ in range(1000):
        these.try_acquire("A")
        these.start_sending(Slot(these, "A", pytest.fail))
    assert these.sending == 1000


async def test_no_limit():
    these = limits(total=0, each=0)
    assert all(these.try_acquire("A") for _ in range(10_000))
    assert these.in_use == 10_000


async def test_free_slot_is_taken_without_waiting():
    these = limits()
    await these.acquire("A")
    assert (these.in_use, these.waited) == (1, 0)


async def test_requests_of_a_project_are_served_in_order():
    these = limits(total=10, each=1)
    assert these.try_acquire("A")
    one, two = await waiting(these, "A", "A")
    assert (these.waiting, these.waited, these.in_use) == (2, 2, 1)
    assert these.try_acquire("B")
    these.release("B")
    await settle()
    assert not one.done()
    these.release("A")
    await settle()
    assert (one.done(), two.done()) == (True, False)
    these.release("A")
    await settle()
    assert two.done()
    these.release("A")
    assert_nothing_left(these)


async def test_new_request_does_not_overtake():
    these = limits(total=1, each=1)
    these.try_acquire("A")
    (task,) = await waiting(these, "B")
    these.release("A")
    assert not these.try_acquire("A")
    assert not these.try_acquire("C")
    await task
    these.release("B")
    assert_nothing_left(these)


async def test_single_request_is_next_despite_a_thousand_of_another_project():
    these = limits(total=2, each=2, waiting=2000)
    these.try_acquire("busy")
    these.try_acquire("busy")
    others = await waiting(these, *["busy"] * 1000)
    (modest,) = await waiting(these, "modest")
    these.release("busy")
    these.release("busy")
    await settle()
    assert modest.done()
    assert sum(task.done() for task in others) == 1
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    these.release("modest")
    these.release("busy")
    assert_nothing_left(these)


@pytest.mark.parametrize("each", [1, 5])
@pytest.mark.parametrize("seed", range(5))
async def test_among_n_projects_each_is_served_within_n_turns(seed, each):
    chance = random.Random(seed)
    projects = [f"P{number}" for number in range(8)]
    these = limits(total=1, each=each)
    these.try_acquire("first")
    queued = [project for project in projects for _ in range(chance.randint(1, 30))]
    chance.shuffle(queued)
    served = []

    async def work(project):
        await these.acquire(project)
        served.append(project)
        await asyncio.sleep(0)
        these.release(project)

    tasks = [asyncio.create_task(work(project)) for project in queued]
    await settle()
    these.release("first")
    await asyncio.gather(*tasks)
    left = Counter(queued)
    since = dict.fromkeys(projects, 0)
    for project in served:
        for other in projects:
            since[other] = 0 if other == project else since[other] + 1
            assert since[other] < len(projects) or not left[other]
        left[project] -= 1
    assert not any(left.values())
    assert_nothing_left(these)


async def test_project_at_its_limit_does_not_block_the_others():
    these = limits(total=3, each=1)
    these.try_acquire("A")
    blocked = await waiting(these, "A", "A")
    assert these.try_acquire("B")
    assert these.try_acquire("C")
    (later,) = await waiting(these, "D")
    these.release("B")
    await settle()
    assert later.done()
    assert not any(task.done() for task in blocked)
    for project in ("C", "D", "A"):
        these.release(project)
    await settle()
    assert [task.done() for task in blocked] == [True, False]
    these.release("A")
    await blocked[1]
    these.release("A")
    assert_nothing_left(these)


async def test_waiting_too_long_for_the_project_is_too_many_requests():
    these = limits(total=10, each=1, seconds=0.02)
    these.try_acquire("A")
    with pytest.raises(
        TooManyRequests, match=r"max_requests_per_project.* no slot became free within 0\.02 s"
    ) as raised:
        await these.acquire("A")
    assert raised.value.headers() == [(b"retry-after", b"1")]
    assert (these.refused, these.refused_in_all) == (1, 0)
    these.release("A")
    assert_nothing_left(these)


async def test_waiting_too_long_for_the_others_is_unavailable():
    these = limits(total=1, each=1, seconds=0.02)
    these.try_acquire("A")
    with pytest.raises(Unavailable, match=r"1 concurrent requests \(max_requests\), and no slot") as raised:
        await these.acquire("B")
    assert raised.value.headers() == [(b"retry-after", b"1")]
    assert (these.refused, these.refused_in_all) == (0, 1)
    these.release("A")
    assert_nothing_left(these)


@pytest.mark.parametrize(
    ("total", "who", "error", "text"),
    [
        (10, "A", TooManyRequests, "2 of its requests are already waiting .max_waiting_per_project"),
        (1, "A", TooManyRequests, "max_requests_per_project"),
        (1, "B", Unavailable, "2 requests are already waiting .max_waiting."),
    ],
)
async def test_full_queue_rejects_at_once(total, who, error, text):
    these = limits(total=total, each=1, waiting=2, waiting_each=2)
    these.try_acquire("A")
    tasks = await waiting(these, "A", "A")
    with pytest.raises(error, match=text):
        await these.acquire(who)
    assert (these.waiting, these.waited) == (2, 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    these.release("A")
    assert_nothing_left(these)


async def test_no_request_waits_if_none_may():
    these = limits(total=1, each=1, waiting=0)
    these.try_acquire("A")
    for project in "AB":
        with pytest.raises(
            (TooManyRequests, Unavailable),
            match=r"0 (of its )?requests are already waiting",
        ):
            await these.acquire(project)


async def test_cancelled_while_waiting():
    these = limits(total=1, each=1)
    these.try_acquire("A")
    one, two = await waiting(these, "B", "C")
    one.cancel()
    await settle()
    assert these.waiting == 1
    these.release("A")
    await two
    these.release("C")
    assert_nothing_left(these)


async def test_cancelled_when_a_slot_is_assigned_releases_it():
    these = limits(total=1, each=1)
    these.try_acquire("A")
    one, two = await waiting(these, "B", "C")
    these.release("A")  # the slot is B's, whose task has not run yet
    one.cancel()
    await settle()
    assert one.cancelled()
    assert two.done()
    assert (these.running("B"), these.running("C")) == (0, 1)
    these.release("C")
    assert_nothing_left(these)


async def test_cancelled_waiter_gets_no_slot():
    these = limits(total=1, each=1)
    these.try_acquire("A")
    one, two = await waiting(these, "B", "C")
    one.cancel()
    these.release("A")
    await settle()
    assert (one.cancelled(), two.done()) == (True, True)
    these.release("C")
    assert_nothing_left(these)


@pytest.mark.parametrize("seed", range(20))
async def test_random_operations_keep_the_limits_and_lose_no_slot(seed):
    chance = random.Random(seed)
    total, each = chance.randint(1, 6), chance.randint(1, 4)
    these = limits(total, each, waiting=25, waiting_each=10, seconds=chance.choice([60.0, 0.0, 0.002]))
    holding: Counter[str] = Counter()
    tasks = []

    async def work(project):
        if not (chance.random() < 0.5 and these.try_acquire(project)):
            await these.acquire(project)
        holding[project] += 1
        try:
            assert holding[project] <= each
            assert holding.total() <= total
            for _ in range(chance.randint(0, 4)):
                await asyncio.sleep(0)
            if chance.random() < 0.1:
                raise ZeroDivisionError
        finally:
            holding[project] -= 1
            these.release(project)

    for _ in range(400):
        tasks.append(asyncio.create_task(work(chance.choice("AAAAAABCD"))))
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        if chance.random() < 0.4:
            await asyncio.sleep(0 if chance.random() < 0.9 else 0.003)
        assert 0 <= these.in_use <= total
        assert these.in_use == sum(these._running.values())
        assert these.waiting == sum(map(len, these._queues.values())) <= 25
        # A request waits only if its project is at its limit or all slots are taken.
        assert these.in_use == total or all(these.running(project) == each for project in these._queues)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = Counter(type(result) for result in results)
    allowed = {type(None), asyncio.CancelledError, ZeroDivisionError, TooManyRequests, Unavailable}
    assert set(kinds) <= allowed
    assert kinds[type(None)]
    assert these.refused + these.refused_in_all == kinds[TooManyRequests] + kinds[Unavailable]
    assert_nothing_left(these)


@pytest.mark.parametrize(
    ("known", "name"),
    [
        ({"project_id": "P"}, "P"),
        ({"domain_id": "D"}, "domain D"),
        ({"system_scope": "all"}, "user U"),
        ({}, "user U"),
    ],
)
def test_account(known, name):
    caller = Caller(user_id="U", **known)
    assert account(caller) == name
    assert account(caller, "B") == (name if caller.domain_id else "B")
