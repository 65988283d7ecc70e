from __future__ import annotations

import pytest
from tests.fakes.clock import Clock

from chrysaetos.errors import TooManyRequests
from chrysaetos.identity.throttle import Throttle, TokenBucket, network


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_attempts_over_the_limit_are_rejected_until_the_window_ends(clock: Clock):
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


def test_a_rejection_does_not_count_as_an_attempt(clock: Clock):
    throttle = Throttle(limit=1, seconds=60, clock=clock)
    throttle.attempt(b"alice")
    for _ in range(3):
        clock.now += 19
        with pytest.raises(TooManyRequests):
            throttle.attempt(b"alice")
    clock.now += 3
    throttle.attempt(b"alice")


def test_names_have_separate_limits(clock: Clock):
    throttle = Throttle(limit=1, clock=clock)
    throttle.attempt(b"alice")
    throttle.attempt(b"bob")
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"alice")


def test_a_refunded_attempt_does_not_count(clock: Clock):
    throttle = Throttle(limit=2, clock=clock)
    throttle.attempt(b"alice")
    for _ in range(10):
        throttle.attempt(b"alice")
        throttle.refund(b"alice")
    throttle.attempt(b"alice")
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"alice")


def test_a_refund_for_an_unknown_name_does_nothing(clock: Clock):
    throttle = Throttle(limit=1, clock=clock)
    throttle.refund(b"alice")
    throttle.attempt(b"alice")


def test_memory_is_bounded(clock: Clock):
    throttle = Throttle(limit=1, size=2, clock=clock)
    for name in (b"a", b"b", b"c"):
        throttle.attempt(name)
    with pytest.raises(TooManyRequests):
        throttle.attempt(b"c")
    throttle.attempt(b"a")


def spend_all(budget: TokenBucket, name: bytes) -> int:
    """Return how much of a budget can be spent, up to a hundred."""
    for number in range(100):
        try:
            budget.take(name)
        except TooManyRequests:
            return number
    return 100


def test_a_budget_allows_a_burst_and_then_a_rate(clock: Clock):
    budget = TokenBucket(burst=10, per_second=2.0, clock=clock)
    assert spend_all(budget, b"a") == 10
    clock.now += 0.25
    assert spend_all(budget, b"a") == 0
    clock.now += 0.25
    assert spend_all(budget, b"a") == 1
    clock.now += 3
    assert spend_all(budget, b"a") == 6
    clock.now += 1000
    assert spend_all(budget, b"a") == 10


def test_a_rejection_says_when_to_retry(clock: Clock):
    budget = TokenBucket(burst=1, per_second=0.125, clock=clock)
    budget.take(b"a")
    clock.now += 2
    with pytest.raises(TooManyRequests) as caught:
        budget.take(b"a")
    assert caught.value.retry_after == 6
    clock.now += 6
    budget.take(b"a")


def test_a_refund_can_be_spent_and_does_not_exceed_the_burst(clock: Clock):
    budget = TokenBucket(burst=3, per_second=1.0, clock=clock)
    for _ in range(10):
        budget.take(b"a")
        budget.refund(b"a")
    budget.refund(b"a")
    assert spend_all(budget, b"a") == 3
    budget.refund(b"a")
    assert spend_all(budget, b"a") == 1


def test_each_name_has_its_own_budget_and_an_empty_name_has_none(clock: Clock):
    budget = TokenBucket(burst=1, per_second=1.0, clock=clock)
    budget.take(b"a")
    budget.take(b"b")
    assert spend_all(budget, b"a") == 0
    assert spend_all(budget, b"") == 100


def test_a_budget_without_a_rate_has_no_limit(clock: Clock):
    assert spend_all(TokenBucket(burst=1, per_second=0.0, clock=clock), b"a") == 100


def test_a_budget_uses_bounded_memory(clock: Clock):
    budget = TokenBucket(burst=2, per_second=0.001, size=2, clock=clock)
    for name in (b"a", b"b", b"c"):
        budget.take(name)
    assert len(budget._left) == 2
    budget.refund(b"c")
    assert len(budget._left) == 1  # a full budget need not be stored


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_a_network_is_an_address_of_ipv4_or_64_bits_of_ipv6(one: str, other: str, same: bool):
    assert (network(one) == network(other)) is same
    assert network(one)


@pytest.mark.parametrize("client", ["", "unix", "192.0.2.1:80"])
def test_an_invalid_address_has_no_network(client: str):
    assert network(client) == b""
