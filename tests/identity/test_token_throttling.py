"""Invalid tokens are throttled by the address that they come from."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest
from tests.support.tokens import QUERY_ONLY, refusal

from chrysaetos.errors import TooManyRequests, Unavailable
from chrysaetos.identity.keystone import KeystoneTokens, Refusal, TokenRefused
from chrysaetos.identity.throttle import TokenBucket

CLIENT = "192.0.2.7"


@pytest.fixture
def limited(make_conf, clock):
    """Allow three invalid tokens at once from an address, and then one every two seconds."""
    failures = TokenBucket(burst=3, per_second=0.5, clock=clock)
    with closing(KeystoneTokens(make_conf(), failures=failures, clock=clock)) as tokens:
        yield tokens


async def flood(tokens, start=0, number=10, client=CLIENT):
    """Return the results of a number of unknown tokens."""
    answers = await asyncio.gather(
        *(tokens.identify(b"bad-%d" % one, None, "GET", "/", client) for one in range(start, start + number)),
        return_exceptions=True,
    )
    return [type(answer) for answer in answers]


async def test_unknown_tokens_from_an_address_are_throttled_after_some_invalid_ones(limited, keystone, clock):
    assert await flood(limited) == [TokenRefused] * 3 + [TooManyRequests] * 7
    assert len(keystone.validations) == 3
    with pytest.raises(TooManyRequests) as caught:
        await limited.identify(keystone.issue(), None, "GET", "/", CLIENT)
    assert caught.value.retry_after == 2
    clock.now += 4
    assert await flood(limited, 10) == [TokenRefused] * 2 + [TooManyRequests] * 8


async def test_a_token_that_was_just_rejected_is_rejected_without_a_call(limited, keystone):
    await flood(limited, number=3)
    assert await flood(limited, number=4) == [TokenRefused] * 3 + [TooManyRequests]
    assert len(keystone.validations) == 3


async def test_a_cached_token_works_while_its_address_is_throttled(limited, keystone, clock):
    token, restricted = keystone.issue(), keystone.issue(access_rules=QUERY_ONLY)
    await limited.identify(token, None, "GET", "/", CLIENT)
    await limited.identify(restricted, None, "GET", "/api/v1/query", CLIENT)
    await flood(limited)
    for number in (100, 200):
        assert (await limited.identify(token, None, "GET", "/", CLIENT)).user_name == "alice"
        assert await limited.identify(restricted, None, "GET", "/api/v1/query", CLIENT)
        clock.now += 60  # from here on, Keystone is called again
        await flood(limited, number)
    keystone.revoke(token)
    assert await refusal(limited, token, None, "GET", "/", CLIENT) is Refusal.TOKEN
    clock.now += 11
    await flood(limited, 300)
    with pytest.raises(TooManyRequests):
        await limited.identify(token, None, "GET", "/", CLIENT)


async def test_a_valid_token_does_not_count_as_a_failure(limited, keystone):
    for _ in range(10):
        await limited.identify(keystone.issue(), None, "GET", "/", CLIENT)
    for _ in range(10):
        token = keystone.issue(access_rules=QUERY_ONLY)
        assert await refusal(limited, token, None, "GET", "/api/v1/series", CLIENT) is Refusal.RULES


async def test_a_failed_call_to_keystone_does_not_count_as_a_failure(limited, keystone):
    keystone.status = 503
    assert await flood(limited, number=3) == [Unavailable] * 3
    keystone.status = None
    assert await flood(limited, number=3) == [TokenRefused] * 3


async def test_a_token_rejected_for_too_many_calls_does_not_count_as_a_failure(make_conf, clock, monkeypatch):
    monkeypatch.setattr("chrysaetos.identity.keystone._MAX_WAITING", 1)
    failures = TokenBucket(burst=3, per_second=0.5, clock=clock)
    with closing(KeystoneTokens(make_conf(), failures=failures, clock=clock)) as tokens:
        outcomes = await flood(tokens)
        assert outcomes == [TokenRefused] + [Unavailable] * 9
        assert await flood(tokens, 10, 1) == [TokenRefused]
        assert await flood(tokens, 11, 1) == [TokenRefused]
        assert await flood(tokens, 12, 1) == [TooManyRequests]


async def test_many_requests_with_one_invalid_token_are_one_failure(limited):
    answers = await asyncio.gather(
        *(limited.identify(b"bad", None, "GET", "/", CLIENT) for _ in range(50)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {TokenRefused}
    assert await flood(limited) == [TokenRefused] * 2 + [TooManyRequests] * 8


async def test_other_addresses_and_unix_sockets_are_not_throttled(limited, keystone):
    await flood(limited)
    assert (await limited.identify(keystone.issue(), None, "GET", "/", "192.0.2.8")).user_name == "alice"
    assert await flood(limited, 100, 5, client="") == [TokenRefused] * 5
