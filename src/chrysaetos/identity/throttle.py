"""How often somebody may fail to prove who they are."""

from __future__ import annotations

import math
import time
from collections import deque
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from chrysaetos.errors import TooManyRequests
from chrysaetos.identity.cache import ExpiringLru

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Budget", "Throttle", "network"]


class Throttle:
    """Counts attempts in a sliding window, for each name on its own.

    An attempt counts from its start, so that many at once are no way around the limit. One that turns
    out well, or that nobody judged, is forgiven.

    Args:
        limit: attempts in a window; the next one is turned away.
        seconds: length of the window.
        size: how many names are remembered; the one that tried longest ago makes room.
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
        """Counts an attempt.

        Args:
            name: whoever tries, as a digest.

        Raises:
            TooManyRequests: the limit is reached; says when the window opens again.
        """
        now = self._clock()
        attempts = self._attempts.get(name) or deque[float]()
        while attempts and attempts[0] <= now - self._seconds:
            attempts.popleft()
        if len(attempts) >= self._limit:
            wait = max(1, math.ceil(attempts[0] + self._seconds - now))
            raise TooManyRequests(
                f"These credentials failed {self._limit} times. Try again in {wait} seconds.", wait
            )
        attempts.append(now)
        self._attempts.put(name, attempts, now + self._seconds)

    def forgive(self, name: bytes) -> None:
        """Takes the latest attempt back."""
        attempts = self._attempts.get(name)
        if attempts:
            attempts.pop()


class Budget:
    """Failures that are allowed to each name: some at once, and from then on some a second.

    Unlike a window, it locks nobody out: whoever spends all of it leaves what comes back each second to all
    who share the name. A failure is paid for at its start, so that many at once are no way around; what turns
    out well, or is not judged, is paid back.

    Args:
        burst: failures at once.
        per_second: failures a second from then on; 0 for no limit at all.
        size: how many names are remembered; the one that was used longest ago makes room.
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

    def spend(self, name: bytes) -> None:
        """Pays for a failure. A name that is empty pays nothing.

        Raises:
            TooManyRequests: nothing is left; says when there is.
        """
        if not name or not self._per_second:
            return
        left = self._now(name)
        if left < 1.0:
            wait = max(1, math.ceil((1.0 - left) / self._per_second))
            raise TooManyRequests(
                "Too many credentials that came from your address are not valid, so unknown ones wait. "
                f"Try again in {wait} seconds.",
                wait,
            )
        self._keep(name, left - 1.0)

    def refund(self, name: bytes) -> None:
        """Pays a failure back that was none."""
        if name and self._per_second:
            self._keep(name, min(self._burst, self._now(name) + 1.0))

    def _now(self, name: bytes) -> float:
        """What is left at this moment."""
        left, since = self._left.get(name) or (self._burst, 0.0)
        return min(self._burst, left + (self._clock() - since) * self._per_second)

    def _keep(self, name: bytes, left: float) -> None:
        now = self._clock()
        # Then it would be full, and need not be remembered.
        self._left.put(name, (left, now), now + (self._burst - left) / self._per_second)


def network(client: str) -> bytes:
    """Whose budget a client's address spends: its own, or for IPv6 that of its /64, which one host may have.

    Args:
        client: the address; for what is none, as a Unix socket's peer, the result is empty.
    """
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return b""
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return address.packed[:8] if mapped is None else mapped.packed
    return address.packed
