"""Answers that are still fresh: the cache in front of Keystone.

Two rules hold here. A raw token is never a key nor a value: keys are SHA-256 digests. And a caller who
is restricted by access rules is never stored, because each of their requests has to be checked.

Everything here runs in the event loop's thread only, so there are no locks.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.identity.caller import Caller

__all__ = ["CallerCache", "ExpiringLru", "digest", "token_key"]

V = TypeVar("V")
R = TypeVar("R")


def digest(*parts: bytes) -> bytes:
    """SHA-256 over the parts, each preceded by its length so that no two lists of parts meet."""
    return sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()


def token_key(token: bytes, service_token: bytes | None = None) -> bytes:
    """The cache key of a user token, alone or together with a service token.

    The same as ``digest`` of what is given, without its loop: this runs for every request.
    """
    if service_token is None:
        return sha256(b"%d:%b" % (len(token), token)).digest()
    return digest(token, service_token)


class ExpiringLru(Generic[V]):
    """A bounded mapping whose entries end by themselves. Every operation is O(1).

    Args:
        size: the number of entries; the one that was used longest ago makes room.
        clock: seconds since the epoch.
    """

    __slots__ = ("_clock", "_entries", "_size")

    def __init__(self, size: int, clock: Callable[[], float] = time.time) -> None:
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[bytes, tuple[V, float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> V | None:
        """The value of a key, or None if there is none that is still fresh."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, since, until = entry
        # A clock that was set back would make an entry live longer than it was given, hence the lower bound.
        if since <= self._clock() < until:
            self._entries.move_to_end(key)
            return value
        del self._entries[key]
        return None

    def put(self, key: bytes, value: V, until: float) -> None:
        """Keeps a value.

        Args:
            key: its key; an earlier value of the same key is replaced.
            value: what to keep.
            until: when it ends, in seconds since the epoch. A time that has passed stores nothing.
        """
        now = self._clock()
        if until <= now:
            self._entries.pop(key, None)
            return
        self._entries[key] = (value, now, until)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, key: bytes) -> None:
        """Forgets a key, if it is there."""
        self._entries.pop(key, None)


class CallerCache(Generic[R]):
    """Callers that Keystone confirmed, and keys that it refused.

    Args:
        seconds: how long a confirmation counts at most; 0 keeps none.
        negative_seconds: how long a refusal counts; at most 10 are taken, so that a token which Keystone
            learns of a moment later is not locked out.
        size: bound of the confirmations.
        negative_size: bound of the refusals; apart, so that a flood of bad tokens evicts no good one.
        clock: seconds since the epoch.

    Attributes:
        hits: requests answered with a confirmation.
        negative_hits: requests answered with a refusal.
        misses: requests for which Keystone had to be asked, or an answer under way awaited.
    """

    __slots__ = (
        "_clock",
        "_confirmed",
        "_negative_seconds",
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
        negative_seconds: float = 10.0,
        size: int = 10_000,
        negative_size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seconds = seconds
        self._negative_seconds = min(negative_seconds, 10.0)
        self._clock = clock
        self._confirmed: ExpiringLru[Caller] = ExpiringLru(size, clock)
        self._refused: ExpiringLru[R] = ExpiringLru(negative_size, clock)
        self.hits = 0
        self.misses = 0
        self.negative_hits = 0

    def hit(self, key: bytes) -> Caller | None:
        """The confirmed caller of a key. Counts a hit, but not a miss."""
        caller = self._confirmed.get(key)
        if caller is not None:
            self.hits += 1
        return caller

    def refused(self, key: bytes) -> R | None:
        """The reason why a key was refused a moment ago. Counts a negative hit, or a miss."""
        reason = self._refused.get(key)
        if reason is None:
            self.misses += 1
        else:
            self.negative_hits += 1
        return reason

    def admit(self, key: bytes, caller: Caller, until: float) -> None:
        """Keeps a confirmation.

        Args:
            key: from ``token_key``.
            caller: whom Keystone confirmed; nothing is kept of one who is restricted by access rules.
            until: when the tokens end, in seconds since the epoch.
        """
        self._refused.drop(key)
        if not caller.restricted:
            self._confirmed.put(key, caller, min(until, self._clock() + self._seconds))

    def refuse(self, key: bytes, reason: R) -> None:
        """Keeps a refusal for a short time, and forgets a confirmation of the same key."""
        self._confirmed.drop(key)
        self._refused.put(key, reason, self._clock() + self._negative_seconds)
