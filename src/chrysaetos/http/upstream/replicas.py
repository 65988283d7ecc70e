"""Several upstreams that hold the same series: the first that answers is asked.

A replica that cannot be reached, or gives a request up before the first byte of its answer, is left alone
for a while, and the next one is asked instead, if the request is a read. What a replica answers is its
answer, an error of PromQL as well: only what the connection to it raises counts as a failure.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from chrysaetos.errors import BadGateway, GatewayTimeout, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.http.upstream.pool import UpstreamResponse

__all__ = ["Pool", "Replicas"]

_REST_SECONDS = 5.0
"""How long a replica that failed is asked last."""


class Pool(Protocol):
    """Connections to one upstream, or to several as one."""

    async def request(
        self,
        method: str,
        target: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # the upstream's own; see Upstream.request
        body: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        idempotent: bool = False,
    ) -> UpstreamResponse:
        """Send one request; see :meth:`chrysaetos.http.upstream.pool.Upstream.request`."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Replicas:
    """One upstream out of several.

    Args:
        pools: the replicas, the preferred one first.
        clock: seconds, monotonic.

    Attributes:
        pools: the replicas.
        failovers: requests that another replica than the first choice was asked for.
    """

    def __init__(self, pools: Sequence[Pool], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.pools = tuple(pools)
        self.failovers = 0
        self._clock = clock
        self._rests_until = [0.0] * len(self.pools)

    async def request(
        self,
        method: str,
        target: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # the upstream's own; see Upstream.request
        body: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        idempotent: bool = False,
    ) -> UpstreamResponse:
        """Send one request to the first replica that takes it.

        Raises:
            Unavailable, BadGateway, GatewayTimeout: as the last replica that was asked raised it. A read that
                a replica was too slow for is not tried elsewhere: its time is over.
        """
        order = self._order()
        for number, index in enumerate(order):
            try:
                response = await self.pools[index].request(
                    method, target, timeout=timeout, body=body, headers=headers, idempotent=idempotent
                )
            except (Unavailable, BadGateway, GatewayTimeout) as error:
                self._rests_until[index] = self._clock() + _REST_SECONDS
                reached = not isinstance(error, Unavailable)
                last = number == len(order) - 1
                if last or isinstance(error, GatewayTimeout) or (reached and not idempotent):
                    raise
                self.failovers += 1
            else:
                self._rests_until[index] = 0.0
                return response
        raise Unavailable("no upstream is configured")

    def _order(self) -> list[int]:
        """The replicas in the order in which they are asked: those that rest come last."""
        now = self._clock()
        return sorted(range(len(self.pools)), key=lambda index: self._rests_until[index] > now)

    async def close(self) -> None:
        """Close every connection to every replica."""
        for pool in self.pools:
            await pool.close()
