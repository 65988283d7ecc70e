"""Wrong passwords are throttled by their user and by the address that they come from."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from tests.support.tokens import identify

from chrysaetos.errors import TooManyRequests, Unauthorized
from chrysaetos.identity.basic import BasicCredentials
from chrysaetos.identity.keystone import KeystoneTokens
from chrysaetos.identity.throttle import TokenBucket


async def test_guessing_is_throttled_by_the_user_part(basic, keystone, good, encode, clock):
    for number in range(5):
        with pytest.raises(Unauthorized):
            await identify(basic, encode(f"ac1:guess{number}"))
    with pytest.raises(TooManyRequests) as caught:
        await identify(basic, encode("ac1:guess5"))
    assert caught.value.retry_after == 60
    assert len(keystone.exchanges) == 5
    with pytest.raises(TooManyRequests):
        await identify(basic, good)
    clock.now += 60
    assert (await identify(basic, good)).user_name == "grafana"


async def test_guessing_in_parallel_is_throttled_as_well(basic, keystone, encode):
    keystone.hold.clear()
    tasks = [asyncio.create_task(identify(basic, encode(f"ac1:guess{n}"))) for n in range(20)]
    await asyncio.sleep(0.1)
    keystone.hold.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(TooManyRequests) == 15
    assert len(keystone.exchanges) == 5


async def test_guessing_does_not_lock_out_the_owner(basic, keystone, good, encode, clock):
    keystone.token_life = 300
    await identify(basic, good)
    clock.now += 230
    for number in range(5):
        with pytest.raises(Unauthorized):
            await identify(basic, encode(f"ac1:guess{number}"))
    with pytest.raises(TooManyRequests):
        await identify(basic, encode("ac1:guess5"))
    assert (await identify(basic, good)).user_name == "grafana"
    clock.now += 15
    exchanges = len(keystone.exchanges)
    assert (await identify(basic, good)).user_name == "grafana"
    assert len(keystone.exchanges) == exchanges + 1


async def guess(basic, encode, client, count):
    """Return the errors for wrong secrets of ``ac1`` from an address."""
    errors = []
    for number in range(count):
        with pytest.raises((Unauthorized, TooManyRequests)) as caught:
            await identify(basic, encode(f"ac1:from {client}, {number}"), client=client)
        errors.append(caught.type)
    return errors


async def test_guessing_from_one_address_does_not_throttle_others(basic, keystone, good, encode):
    assert await guess(basic, encode, "203.0.113.66", 7) == [Unauthorized] * 5 + [TooManyRequests] * 2
    with pytest.raises(TooManyRequests):
        await identify(basic, good, client="203.0.113.66")
    # Credentials that this process does not know: nothing was cached for their owner.
    assert await guess(basic, encode, "203.0.113.7", 4) == [Unauthorized] * 4
    assert (await identify(basic, good, client="203.0.113.7")).user_name == "grafana"
    assert len(keystone.exchanges) == 10


async def test_guessing_from_one_network_of_ipv6_is_throttled_together(basic, keystone, good, encode):
    for host in range(5):
        assert await guess(basic, encode, f"2001:db8:66::{host}", 1) == [Unauthorized]
    assert await guess(basic, encode, "2001:db8:66::ffff", 1) == [TooManyRequests]
    assert (await identify(basic, good, client="2001:db8:7::1")).user_name == "grafana"
    assert len(keystone.exchanges) == 6


async def test_an_attempt_that_succeeds_is_refunded_for_its_address(basic, keystone, good, encode):
    assert await guess(basic, encode, "203.0.113.7", 4) == [Unauthorized] * 4
    await identify(basic, good, client="203.0.113.7")
    keystone.application_credentials["ac2"] = ("s3cret", {"user": "other"})
    await identify(basic, encode("ac2:s3cret"), client="203.0.113.7")
    with pytest.raises(Unauthorized):
        await identify(basic, encode("ac1:one more"), client="203.0.113.7")
    with pytest.raises(TooManyRequests):
        await identify(basic, encode("ac1:too many"), client="203.0.113.7")


async def test_wrong_passwords_of_many_users_from_one_address_are_limited(make_conf, keystone, encode, clock):
    failures = TokenBucket(burst=3, per_second=0.5, clock=clock)
    keystone.application_credentials["ac1"] = ("s3cret", {"user": "grafana"})
    good = encode("ac1:s3cret")
    with (
        closing(KeystoneTokens(make_conf(), failures=failures, clock=clock)) as tokens,
        closing(BasicCredentials(tokens, clock=clock)) as basic,
    ):
        await basic.identify(good, None, "GET", "/", "192.0.2.7")
        for number in range(3):
            with pytest.raises(Unauthorized):
                await basic.identify(encode(f"ac-{number}:wrong"), None, "GET", "/", "192.0.2.7")
        for number in range(3, 6):
            with pytest.raises(TooManyRequests):
                await basic.identify(encode(f"ac-{number}:wrong"), None, "GET", "/", "192.0.2.7")
        assert len(keystone.exchanges) == 4
        assert (await basic.identify(good, None, "GET", "/", "192.0.2.7")).user_name == "grafana"
        with pytest.raises(Unauthorized):
            await basic.identify(encode("ac-6:wrong"), None, "GET", "/", "192.0.2.8")


async def test_attempts_rejected_by_a_users_limit_do_not_count_for_the_address(make_conf, encode, clock):
    failures = TokenBucket(burst=7, per_second=0.001, clock=clock)
    with (
        closing(KeystoneTokens(make_conf(), failures=failures, clock=clock)) as tokens,
        closing(BasicCredentials(tokens, clock=clock)) as basic,
    ):
        outcomes = []
        for number in range(10):
            with pytest.raises((Unauthorized, TooManyRequests)) as caught:
                await basic.identify(encode(f"ac1:wrong-{number}"), None, "GET", "/", "192.0.2.7")
            outcomes.append(caught.type)
        assert outcomes == [Unauthorized] * 5 + [TooManyRequests] * 5
        for name in ("ac2", "ac3"):
            with pytest.raises(Unauthorized):
                await basic.identify(encode(f"{name}:wrong"), None, "GET", "/", "192.0.2.7")
