from __future__ import annotations

import pytest

from chrysaetos.errors import TooManyRequests
from chrysaetos.identity.throttle import Throttle


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_attempt_after_the_limit_is_turned_away_until_the_window_opens(clock: Clock):
    throttle = Throttle(limit=5, seconds=60, clock=clock)
    for _ in range(5):
        throttle.attempt(b"alice")
        clock.now += 1
    with pytest.raises(TooManyRequests) as caught:
        throttle.attempt(b"alice")
    assert caught.value.retry_after == 55
    clock.now += 54.9
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"alice")
    clock.now += 0.1
    throttle.attempt(b"alice")
    with pytest.raises(TooManyRequests) as caught:
        throttle.attempt(b"alice")
    assert caught.value.retry_after == 1


def test_being_turned_away_is_not_an_attempt(clock: Clock):
    throttle = Throttle(limit=1, seconds=60, clock=clock)
    throttle.attempt(b"alice")
    for _ in range(3):
        clock.now += 19
        with pytest.raises(TooManyRequests):
            throttle.attempt(b"alice")
    clock.now += 3
    throttle.attempt(b"alice")


def test_names_do_not_disturb_each_other(clock: Clock):
    throttle = Throttle(limit=1, clock=clock)
    throttle.attempt(b"alice")
    throttle.attempt(b"bob")
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"alice")


def test_what_is_forgiven_does_not_count(clock: Clock):
    throttle = Throttle(limit=2, clock=clock)
    throttle.attempt(b"alice")
    for _ in range(10):
        throttle.attempt(b"alice")
        throttle.forgive(b"alice")
    throttle.attempt(b"alice")
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"alice")


def test_forgiving_a_stranger_is_nothing(clock: Clock):
    throttle = Throttle(limit=1, clock=clock)
    throttle.forgive(b"alice")
    throttle.attempt(b"alice")


def test_memory_is_bounded(clock: Clock):
    throttle = Throttle(limit=1, size=2, clock=clock)
    for name in (b"a", b"b", b"c"):
        throttle.attempt(name)
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"c")
    throttle.attempt(b"a")
