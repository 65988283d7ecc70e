"""Limit failed authentication attempts."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections import deque
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import TooManyRequests
from chrysaetos.identity.cache import ExpiringLru

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Attempt", "Attempts", "Throttle", "TokenBucket", "network"]


class Throttle:
    """Limits attempts in a sliding window, separately for each name.

    An attempt is counted at its start, so that concurrent attempts cannot exceed the limit. It is no longer
    counted if it succeeds or has no result.

    Args:
        limit: maximum number of attempts in a window.
        seconds: length of the window.
        size: maximum number of names; the least recently used is evicted.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        limit: int = 5,
        seconds: float = 60.0,
        size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._attempts: ExpiringLru[deque[float]] = ExpiringLru(size, clock)

    def attempt(self, name: bytes) -> None:
        """Count an attempt.

        Args:
            name: digest of the name.

        Raises:
            TooManyRequests: the limit is reached. The error has the time until the next attempt.
        """
        now = self._clock()
        attempts = self._attempts.get(name) or deque[float]()
        while attempts and attempts[0] <= now - self._seconds:
            attempts.popleft()
        if len(attempts) >= self._limit:
            wait = max(1, math.ceil(attempts[0] + self._seconds - now))
            raise TooManyRequests(
                f"these credentials failed {self._limit} times from your address: try again in {wait} s",
                wait,
            )
        attempts.append(now)
        self._attempts.put(name, attempts, now + self._seconds)

    def refund(self, name: bytes) -> None:
        """Do not count the latest attempt."""
        attempts = self._attempts.get(name)
        if attempts:
            attempts.pop()


class TokenBucket:
    """A token bucket for each name, such as of the failures that an address may cause.

    Unlike a window, it never locks out a name: the bucket refills every second. An attempt takes a token at
    its start, so that concurrent attempts cannot exceed the limit. The token is given back if the attempt
    succeeds or has no result.

    Args:
        burst: attempts at once.
        per_second: attempts per second after that; 0 for no limit.
        size: maximum number of names; the least recently used is evicted.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        burst: int = 100,
        per_second: float = 10.0,
        size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._burst = float(max(1, burst))
        self._per_second = per_second
        self._clock = clock
        self._left: ExpiringLru[tuple[float, float]] = ExpiringLru(size, clock)

    def take(self, name: bytes) -> None:
        """Take a token. An empty name has no limit.

        Raises:
            TooManyRequests: the bucket is empty. The error has the time until the next attempt.
        """
        if not name or not self._per_second:
            return
        left = self._now(name)
        if left < 1.0:
            wait = max(1, math.ceil((1.0 - left) / self._per_second))
            raise TooManyRequests(
                f"your address has sent too many invalid credentials: try again in {wait} s",
                wait,
            )
        self._keep(name, left - 1.0)

    def refund(self, name: bytes) -> None:
        """Give back the token of an attempt that did not fail."""
        if name and self._per_second:
            self._keep(name, min(self._burst, self._now(name) + 1.0))

    def _now(self, name: bytes) -> float:
        """Return what is left in the bucket."""
        left, since = self._left.get(name) or (self._burst, 0.0)
        return min(self._burst, left + (self._clock() - since) * self._per_second)

    def _keep(self, name: bytes, left: float) -> None:
        now = self._clock()
        # A full bucket need not be stored.
        self._left.put(name, (left, now), now + (self._burst - left) / self._per_second)


class Attempts:
    """Limits failed log-ins: of a user from an address, and of all users from an address.

    Args:
        throttle: limits the failures of a user from an address.
        failures: limits the failures of an address.
    """

    def __init__(self, throttle: Throttle, failures: TokenBucket) -> None:
        self._throttle = throttle
        self._failures = failures
        self._secret = secrets.token_bytes(32)

    def begin(self, subject: str, client: str) -> Attempt:
        """Count an attempt as failed, until ``refund`` is called.

        Args:
            subject: who logs in.
            client: address of the peer.

        Raises:
            TooManyRequests: this subject, or others, failed too often from this address.
        """
        address = network(client)
        pair = hmac.digest(self._secret, subject.encode(), "sha256") + address
        self._failures.take(address)
        try:
            self._throttle.attempt(pair)
        except TooManyRequests:
            self._failures.refund(address)
            raise
        return Attempt(self._throttle, self._failures, pair, address)


class Attempt(NamedTuple):
    """An attempt to log in.

    Attributes:
        throttle: limits the failures of the pair.
        failures: limits the failures of the address.
        pair: the digest of subject and address.
        address: the address.
    """

    throttle: Throttle
    failures: TokenBucket
    pair: bytes
    address: bytes

    def refund(self) -> None:
        """Do not count it: it did not fail."""
        self.throttle.refund(self.pair)
        self.failures.refund(self.address)


def network(client: str) -> bytes:
    """Return the name whose budget a client's address uses: the address, or the /64 for IPv6.

    Args:
        client: the address. The result is empty if it is not an address, as for a Unix socket.
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return b""
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return address.packed[:8] if mapped is None else mapped.packed
    return address.packed
