from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.clock import Clock
from tests.support.memory import MIB, kept_bytes, large_caller

from chrysaetos.identity.cache import CallerCache, ExpiringLru, digest, token_key
from chrysaetos.identity.caller import Caller

ALICE = Caller(user_id="alice", project_id="apollo", expires_at=10_000.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_keys_depend_on_where_one_token_ends_and_the_next_begins():
    assert token_key(b"a b", b"c") != token_key(b"a", b"b c")
    assert token_key(b"a1:b", b"c") != token_key(b"a", b"1:bc")
    assert token_key(b"a", b"") != token_key(b"a")
    assert digest(b"ab") != digest(b"a", b"b")


def test_a_key_is_a_digest_of_all_parts():
    assert token_key(b"secret") == digest(b"secret")
    assert token_key(b"secret", b"service") == digest(b"secret", b"service")
    assert len(token_key(b"secret")) == 32


def test_an_entry_expires(clock: Clock):
    lru: ExpiringLru[str] = ExpiringLru(10, clock)
    lru.put(b"k", "value", 1060.0)
    clock.now = 1059.9
    assert lru.get(b"k") == "value"
    clock.now = 1060.0
    assert lru.get(b"k") is None
    assert len(lru) == 0


def test_a_clock_that_is_set_back_does_not_extend_an_entry(clock: Clock):
    lru: ExpiringLru[str] = ExpiringLru(10, clock)
    lru.put(b"k", "value", 1060.0)
    clock.now = 500.0
    assert lru.get(b"k") is None


def test_an_entry_that_has_expired_is_not_stored_and_replaces_the_old_one(clock: Clock):
    lru: ExpiringLru[str] = ExpiringLru(10, clock)
    lru.put(b"k", "old", 1060.0)
    lru.put(b"k", "new", 1000.0)
    assert lru.get(b"k") is None


def test_the_least_recently_used_entry_is_evicted(clock: Clock):
    lru: ExpiringLru[int] = ExpiringLru(3, clock)
    for number in range(3):
        lru.put(b"%d" % number, number, 2000.0)
    assert lru.get(b"0") == 0
    lru.put(b"3", 3, 2000.0)
    assert len(lru) == 3
    assert [lru.get(b"%d" % number) for number in range(4)] == [0, None, 2, 3]


def test_a_valid_token_is_cached_for_the_configured_time(clock: Clock):
    cache: CallerCache[str] = CallerCache(seconds=60, clock=clock)
    cache.admit(b"k", ALICE, ALICE.expires_at)
    clock.now += 59
    assert cache.hit(b"k") is ALICE
    clock.now += 1
    assert cache.hit(b"k") is None


def test_a_valid_token_is_cached_until_it_expires_at_most(clock: Clock):
    cache: CallerCache[str] = CallerCache(seconds=60, clock=clock)
    cache.admit(b"k", ALICE, 1005.0)
    clock.now = 1004.5
    assert cache.hit(b"k") is ALICE
    clock.now = 1005.0
    assert cache.hit(b"k") is None


def test_zero_seconds_disable_the_cache_of_valid_tokens(clock: Clock):
    cache: CallerCache[str] = CallerCache(seconds=0, clock=clock)
    cache.admit(b"k", ALICE, ALICE.expires_at)
    assert cache.hit(b"k") is None


def test_a_restricted_caller_is_not_cached(clock: Clock):
    cache: CallerCache[str] = CallerCache(clock=clock)
    cache.admit(b"k", replace(ALICE, restricted=True), ALICE.expires_at)
    assert cache.hit(b"k") is None


def test_an_invalid_token_is_cached_for_ten_seconds(clock: Clock):
    cache: CallerCache[str] = CallerCache(clock=clock)
    cache.refuse(b"k", "unknown")
    clock.now += 9.9
    assert cache.refused(b"k") == "unknown"
    clock.now += 0.1
    assert cache.refused(b"k") is None


def test_invalid_tokens_do_not_evict_valid_ones(clock: Clock):
    cache: CallerCache[str] = CallerCache(size=2, negative_size=2, clock=clock)
    cache.admit(b"good", ALICE, ALICE.expires_at)
    for number in range(10):
        cache.refuse(b"bad%d" % number, "unknown")
    assert cache.hit(b"good") is ALICE
    assert cache.refused(b"bad7") is None
    assert cache.refused(b"bad8") == "unknown"


def test_a_rejection_precedes_validations_until_it_expires(clock: Clock):
    cache: CallerCache[str] = CallerCache(clock=clock)
    cache.admit(b"k", ALICE, ALICE.expires_at)
    cache.refuse(b"k", "revoked")
    assert cache.hit(b"k") is None
    cache.admit(b"k", ALICE, ALICE.expires_at)
    assert (cache.hit(b"k"), cache.refused(b"k")) == (None, "revoked")
    assert cache.is_refused(b"k")
    clock.now += 11
    assert not cache.is_refused(b"k")
    cache.admit(b"k", ALICE, ALICE.expires_at)
    assert cache.hit(b"k") is ALICE


def test_cache_hits_are_counted_by_result(clock: Clock):
    cache: CallerCache[str] = CallerCache(clock=clock)
    assert cache.hit(b"k") is None
    assert cache.refused(b"k") is None
    assert (cache.hits, cache.misses, cache.negative_hits) == (0, 1, 0)
    cache.admit(b"k", ALICE, ALICE.expires_at)
    cache.hit(b"k")
    cache.hit(b"k")
    cache.refuse(b"bad", "unknown")
    cache.refused(b"bad")
    assert (cache.hits, cache.misses, cache.negative_hits) == (2, 1, 1)


async def test_callers_with_many_roles_are_bounded_in_bytes(clock: Clock):
    cache: CallerCache[str] = CallerCache(clock=clock)

    async def fill():
        for number in range(100):
            cache.admit(b"%d" % number, large_caller(number), 10_000.0)

    assert 60 * MIB < await kept_bytes(fill) < 66 * MIB
    assert (cache.hit(b"0"), cache.hit(b"99")) == (None, large_caller(99))


async def test_usual_callers_are_bounded_in_bytes(clock: Clock, monkeypatch):
    monkeypatch.setattr("chrysaetos.identity.cache.MAX_CACHED_BYTES", MIB)
    cache: CallerCache[str] = CallerCache(clock=clock)

    async def fill():
        for number in range(2000):
            user, project = (f"{name}{number:031}" for name in "up")
            caller = Caller(user_id=user, project_id=project, roles=(f"member {number}",), expires_at=number)
            cache.admit(token_key(b"%d" % number), caller, 10_000.0 + number)

    assert 0.7 * MIB < await kept_bytes(fill) < 1.1 * MIB


def test_a_hit_does_not_measure_the_caller(clock: Clock, monkeypatch):
    cache: CallerCache[str] = CallerCache(clock=clock)
    cache.admit(b"k", ALICE, 10_000.0)
    monkeypatch.setattr(Caller, "size", property(lambda _: pytest.fail("measured")))
    assert cache.hit(b"k") is ALICE
