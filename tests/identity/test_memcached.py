"""The operator's memcached, in which keystonemiddleware caches tokens."""

from __future__ import annotations

import pickle
import sys
from contextlib import closing
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from chrysaetos.identity.keystone import KeystoneTokens, TokenRefused


async def test_without_memcached_the_middleware_caches_and_warns_of_nothing(tokens, keystone, caplog, clock):
    token = keystone.issue()
    await tokens.identify(token, None, "GET", "/")
    clock.now += 60
    await tokens.identify(token, None, "GET", "/")
    assert len(keystone.validations) == 2
    assert "in-process token cache" not in caplog.text


@pytest.fixture
def memcached(monkeypatch) -> dict[str, bytes]:
    """What a driver of memcached stores."""
    stored: dict[str, bytes] = {}

    class Client:
        def __init__(self, servers: list[str], debug: int, unpickler: Any) -> None:
            assert (servers, debug) == (["127.0.0.1:11211"], 0)
            assert unpickler is not pickle.Unpickler

        def get(self, key: str) -> bytes | None:
            return stored.get(key)

        def set(self, key: str, value: bytes, time: int) -> None:
            assert time == 120
            stored[key] = value

    driver = ModuleType("memcache")
    vars(driver)["Client"] = Client
    driver.__spec__ = ModuleSpec("memcache", None)
    monkeypatch.setitem(sys.modules, "memcache", driver)
    return stored


@pytest.fixture
def sharing(make_conf):
    """A configuration with memcached."""
    return make_conf(
        memcached_servers="127.0.0.1:11211", memcache_use_advanced_pool="false", token_cache_time="120"
    )


async def test_the_operators_memcached_is_used(sharing, keystone, clock, memcached):
    token = keystone.issue()
    for _ in range(2):
        with closing(KeystoneTokens(sharing, clock=clock)) as tokens:
            assert (await tokens.identify(token, None, "GET", "/")).user_name == "alice"
    assert len(keystone.validations) == 1
    assert not any(token.decode() in key for key in memcached)


async def test_a_token_that_was_revoked_is_removed_from_memcached(sharing, keystone, clock, memcached):
    token = keystone.issue()
    with closing(KeystoneTokens(sharing, clock=clock)) as tokens:
        await tokens.identify(token, None, "GET", "/")
    keystone.revoke(token)
    with closing(KeystoneTokens(sharing, clock=clock)) as tokens:
        tokens.forget_shared(token.decode())
    with closing(KeystoneTokens(sharing, clock=clock)) as tokens, pytest.raises(TokenRefused):
        await tokens.identify(token, None, "GET", "/")
    assert memcached


async def test_a_memcached_that_fails_does_not_keep_a_token_from_being_revoked(
    sharing, memcached, monkeypatch, caplog
):
    monkeypatch.setattr(sys.modules["memcache"].Client, "set", None)
    with closing(KeystoneTokens(sharing)) as tokens:
        tokens.forget_shared("token")
    assert "a revoked token may still be in memcached: TypeError" in caplog.text
    assert not memcached


async def test_without_memcached_a_token_that_was_revoked_is_nowhere(tokens):
    tokens.forget_shared("token")
