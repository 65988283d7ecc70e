"""A Keystone that does not answer: nobody waits for long, and it is asked again."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import closing

import pytest
from tests.fakes.clock import Clock
from tests.support.waiting import until

from chrysaetos.errors import Unavailable
from chrysaetos.identity.basic import BasicCredentials
from chrysaetos.identity.breaker import Breaker
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.keystone import KeystoneTokens
from chrysaetos.identity.throttle import TokenBucket


def is_rejected(breaker: Breaker) -> bool:
    try:
        breaker.admit()
    except Unavailable:
        return True
    return False


def test_it_opens_after_timeouts_in_a_row_and_admits_one_test_at_a_time(caplog):
    clock = Clock()
    breaker = Breaker(5, limit=3, pause=10, clock=clock)
    for _ in range(2):
        breaker.on_timeout()
    breaker.on_answer()
    for _ in range(3):
        assert not is_rejected(breaker)
        breaker.on_timeout()
    assert breaker.open
    with pytest.raises(Unavailable) as caught:
        breaker.check()
    assert caught.value.headers() == [(b"retry-after", b"10")]
    clock.now += 10
    assert [is_rejected(breaker) for _ in range(3)] == [False, True, True]
    breaker.on_timeout()
    clock.now += 9
    assert is_rejected(breaker)
    clock.now += 1
    assert not is_rejected(breaker)
    breaker.on_answer()
    assert [breaker.open, is_rejected(breaker)] == [False, False]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_test_that_is_never_answered_does_not_block_the_next_one():
    clock = Clock()
    breaker = Breaker(5, limit=1, pause=10, clock=clock)
    breaker.on_timeout()
    clock.now += 10
    assert not is_rejected(breaker)
    clock.now += 15
    assert not is_rejected(breaker)


async def test_after_a_test_that_fails_at_once_the_next_one_is_soon():
    clock = Clock()
    breaker = Breaker(5, limit=1, pause=10, clock=clock)
    flights: SingleFlight[int] = SingleFlight("test", threads=1, waiting=10, breaker=breaker)

    def refused():
        raise ConnectionRefusedError

    with closing(flights):
        breaker.on_timeout()
        clock.now += 10
        with pytest.raises(ConnectionRefusedError):
            await flights.run(b"k", refused)
        with pytest.raises(Unavailable) as caught:
            await flights.run(b"k", lambda: 1)
        assert caught.value.headers() == [(b"retry-after", b"1")]
        clock.now += 1
        assert await flights.run(b"k", lambda: 1) == 1
        assert not breaker.open


async def test_a_call_that_fails_too_late_says_that_keystone_does_not_answer():
    clock = Clock()
    breaker = Breaker(0.1, limit=1, pause=10, clock=clock)
    flights: SingleFlight[int] = SingleFlight("test", threads=1, waiting=10, breaker=breaker)
    go = threading.Event()

    def timed_out():
        go.wait(10)
        raise TimeoutError

    with closing(flights):
        with pytest.raises(Unavailable):
            await flights.run(b"k", timed_out)
        go.set()
        await until(lambda: not flights._calls)
        clock.now += 9
        assert is_rejected(breaker)


async def test_a_burst_of_callers_waits_once_and_no_call_is_left_in_the_queue():
    go = threading.Event()
    started = []

    def call():
        started.append(True)
        go.wait(10)
        return 1

    breaker = Breaker(0.3, limit=2, pause=0.2)
    flights: SingleFlight[int] = SingleFlight("test", threads=2, waiting=1000, breaker=breaker)
    began = time.monotonic()
    try:
        outcomes = await asyncio.gather(
            *(flights.run(b"%d" % number, call) for number in range(200)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        assert time.monotonic() - began < 5
        assert len(started) == 2
        with pytest.raises(Unavailable):
            await flights.run(b"next", call)
        assert len(started) == 2
        go.set()
        await until(lambda: not flights._calls)
        await asyncio.sleep(0.2)  # the breaker's pause
        assert await flights.run(b"test", call) == 1
        assert not breaker.open
        assert not flights._flights
        assert not flights._calls
    finally:
        go.set()
        flights.close()


async def test_many_who_wait_for_one_call_are_one_timeout():
    go = threading.Event()
    breaker = Breaker(0.05)
    flights: SingleFlight[bool] = SingleFlight("test", threads=1, waiting=10, breaker=breaker)
    try:
        await asyncio.gather(*(flights.run(b"k", go.wait) for _ in range(20)), return_exceptions=True)
        assert not breaker.open
    finally:
        go.set()
        flights.close()


async def test_calls_that_wait_for_a_thread_say_nothing_about_keystone():
    # A call that runs for half a second would count, so each must be much shorter on a busy machine as well.
    breaker = Breaker(1.0, limit=1)
    flights: SingleFlight[None] = SingleFlight("test", threads=1, waiting=100, breaker=breaker)
    try:
        outcomes = await asyncio.gather(
            *(flights.run(b"%d" % number, lambda: time.sleep(0.05)) for number in range(40)),
            return_exceptions=True,
        )
        assert {None, Unavailable} == {type(each) if each else None for each in outcomes}
        assert not breaker.open
    finally:
        flights.close()


async def test_callers_that_are_rejected_are_not_charged(make_conf, keystone, encode):
    breaker = Breaker(5, limit=1, pause=1000)
    failures = TokenBucket(burst=3, per_second=0.001)
    tokens = KeystoneTokens(make_conf(), failures=failures, breaker=breaker)
    with closing(tokens), closing(BasicCredentials(tokens)) as basic:
        breaker.on_timeout()
        for _ in range(3):
            basic.breaker.on_timeout()
        for number in range(20):
            with pytest.raises(Unavailable, match="does not answer"):
                await tokens.identify(b"token-%d" % number, None, "GET", "/", "192.0.2.1")
            with pytest.raises(Unavailable, match="does not answer"):
                await basic.identify(encode("id:secret"), None, "GET", "/", "192.0.2.1")
        breaker.on_answer()
        token = keystone.issue()
        assert (await tokens.identify(token, None, "GET", "/", "192.0.2.1")).user_name == "alice"


async def test_a_slow_answer_is_kept_for_the_next_caller():
    go = threading.Event()
    kept = []
    flights: SingleFlight[bool] = SingleFlight("test", threads=1, waiting=10, breaker=Breaker(0.05))
    try:
        with pytest.raises(Unavailable):
            await flights.run(b"k", lambda: go.wait(10), lambda flight: kept.append(flight.result()))
        go.set()
        await until(lambda: kept)
        assert kept == [True]
        assert await flights.run(b"k", lambda: False) is False
    finally:
        flights.close()


async def test_a_caller_that_joins_late_waits_only_for_what_is_left():
    go = threading.Event()
    flights: SingleFlight[bool] = SingleFlight("test", threads=1, waiting=10, breaker=Breaker(1.2))
    try:
        first = asyncio.create_task(flights.run(b"k", go.wait))
        for pause, limit in ((0.6, 1.1), (0.8, 0.6), (0.0, 0.6)):
            await asyncio.sleep(pause)
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await flights.run(b"k", go.wait)
            assert time.monotonic() - began < limit
        with pytest.raises(Unavailable):
            await first
    finally:
        go.set()
        flights.close()


async def test_a_call_whose_callers_have_left_is_a_timeout_as_well():
    go = threading.Event()
    breaker = Breaker(0.2, limit=1)
    flights: SingleFlight[bool] = SingleFlight("test", threads=1, waiting=10, breaker=breaker)
    try:
        caller = asyncio.create_task(flights.run(b"k", go.wait))
        await asyncio.sleep(0.05)
        caller.cancel()
        await asyncio.sleep(0.3)
        assert breaker.open
    finally:
        go.set()
        flights.close()


@pytest.mark.parametrize("known", [False, True])
async def test_a_request_with_several_calls_waits_one_limit(make_conf, keystone, encode, clock, known):
    """Basic credentials need up to four calls: it waited the limit for each of them."""
    keystone.application_credentials["ac-id"] = ("s3cret", {})
    tokens = KeystoneTokens(make_conf(), breaker=Breaker(1.0), clock=clock)
    with closing(tokens), closing(BasicCredentials(tokens, clock=clock)) as basic:
        good = encode("ac-id:s3cret")
        if known:
            await basic.identify(good, None, "GET", "/")
            clock.now += 3600 - 30  # soon to expire, and due for validation
        keystone.delay = 0.7
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await basic.identify(good, None, "GET", "/")
        assert 0.9 < time.monotonic() - began < 1.3
        keystone.delay = 0
