"""The cache in front of Keystone.

Two rules must hold. A raw token is neither a key nor a value: keys are SHA-256 digests. A caller who is
restricted by access rules is never cached, because each of its requests must be checked.

Everything here runs in the thread of the event loop, so there are no locks.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, TypeVar

from chrysaetos.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.identity.caller import Caller

__all__ = ["ENTRY_BYTES", "MAX_CACHED_BYTES", "CallerCache", "ExpiringLru", "digest", "token_key"]

MAX_CACHED_BYTES = 64 * 1024 * 1024
"""Maximum memory of all cached callers, or tokens of Basic credentials, together. A caller usually takes
1.2 KiB, but Keystone does not limit the number of its roles."""
ENTRY_BYTES = 400
"""About the memory of an entry without its value: the digest, the times, and the place in the mapping."""

_NEGATIVE_SECONDS = 10.0
"""Time that a rejection is cached: short, so that a token that becomes valid soon after is not locked out."""

V = TypeVar("V")
R = TypeVar("R")


def digest(*parts: bytes) -> bytes:
    """Return SHA-256 over the parts, each preceded by its length so that different lists never collide."""
    return sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()


def token_key(token: bytes, service_token: bytes | None = None) -> bytes:
    """Return the cache key of a user token, alone or together with a service token.

    It equals ``digest`` of the tokens, without its loop: this runs for every request.
    """
    if service_token is None:
        return sha256(b"%d:%b" % (len(token), token)).digest()
    return digest(token, service_token)


class ExpiringLru(Generic[V]):
    """A bounded mapping whose entries expire. Every operation is O(1).

    Args:
        size: maximum number of entries; the least recently used is evicted.
        clock: seconds since the epoch.
        weigh, max_weight: limit the weight of all values together, as for ``Lru``.
    """

    __slots__ = ("_clock", "_entries")

    def __init__(
        self,
        size: int,
        clock: Callable[[], float] = time.time,
        *,
        weigh: Callable[[V], int] = lambda _: 0,
        max_weight: int = 0,
    ) -> None:
        self._clock = clock
        self._entries: Lru[bytes, tuple[V, float, float]] = Lru(
            size, weigh=lambda _, entry: weigh(entry[0]), max_weight=max_weight
        )

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> V | None:
        """Return the value of a key, None if it is missing or expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, since, until = entry
        # The lower bound: after the clock was set back, an entry would live longer than intended.
        if since <= self._clock() < until:
            return value
        self._entries.drop(key)
        return None

    def put(self, key: bytes, value: V, until: float) -> None:
        """Store a value.

        Args:
            key: its key; an earlier value is replaced.
            value: the value.
            until: its expiry in seconds since the epoch. An expired value is not stored.
        """
        now = self._clock()
        if until <= now:
            self._entries.drop(key)
        else:
            self._entries.put(key, (value, now, until))

    def drop(self, key: bytes) -> None:
        """Remove a key if it exists."""
        self._entries.drop(key)


class CallerCache(Generic[R]):
    """Callers whose tokens Keystone validated, and keys of tokens that it rejected.

    Args:
        seconds: maximum time that a validation is cached; 0 disables the cache.
        size: maximum number of validations; callers with many roles take more memory, so fewer are kept.
        negative_size: maximum number of rejections, separate so that a flood of bad tokens evicts no good
            one.
        clock: seconds since the epoch.

    Attributes:
        hits: requests with a cached validation.
        negative_hits: requests with a cached rejection.
        misses: requests that called Keystone or waited for a call of another request.
    """

    __slots__ = (
        "_clock",
        "_confirmed",
        "_refused",
        "_seconds",
        "hits",
        "misses",
        "negative_hits",
    )

    def __init__(
        self,
        *,
        seconds: float = 60.0,
        size: int = 10_000,
        negative_size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._confirmed: ExpiringLru[Caller] = ExpiringLru(
            size, clock, weigh=lambda caller: ENTRY_BYTES + caller.size, max_weight=MAX_CACHED_BYTES
        )
        self._refused: ExpiringLru[R] = ExpiringLru(negative_size, clock)
        self.hits = 0
        self.misses = 0
        self.negative_hits = 0

    def hit(self, key: bytes) -> Caller | None:
        """Return the cached caller of a key. Counts a hit, but not a miss."""
        caller = self._confirmed.get(key)
        if caller is not None:
            self.hits += 1
        return caller

    def refused(self, key: bytes) -> R | None:
        """Return the cached reason why a key was rejected. Counts a negative hit, or a miss."""
        reason = self._refused.get(key)
        if reason is None:
            self.misses += 1
        else:
            self.negative_hits += 1
        return reason

    def is_refused(self, key: bytes) -> bool:
        """Return whether a key was rejected. Counts nothing."""
        return self._refused.get(key) is not None

    def admit(self, key: bytes, caller: Caller, until: float) -> None:
        """Cache a validation, unless the key was rejected meanwhile: then the token was revoked.

        Args:
            key: from ``token_key``.
            caller: the caller. A caller restricted by access rules is not cached.
            until: expiry of the tokens in seconds since the epoch.
        """
        if not caller.restricted and not self.is_refused(key):
            self._confirmed.put(key, caller, min(until, self._clock() + self._seconds))

    def refuse(self, key: bytes, reason: R) -> None:
        """Cache a rejection for a short time, and remove a validation of the same key."""
        self._confirmed.drop(key)
        self._refused.put(key, reason, self._clock() + _NEGATIVE_SECONDS)
