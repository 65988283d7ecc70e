"""Several upstreams with the same series: requests go to the first that is available.

If a replica cannot be reached, fails before the first byte of its response, or is not ready, it is tried last
for a while, and a read is sent to the next replica. Any other response counts as success, even an error of
PromQL.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from chrysaetos.errors import BadGateway, GatewayTimeout, Unavailable
from chrysaetos.http.upstream.pool import AllBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.http.upstream.pool import UpstreamResponse

__all__ = ["Pool", "Replicas"]

_TRY_LAST_SECONDS = 5.0
"""How long a replica that failed is tried last."""


class Pool(Protocol):
    """Connections to one upstream, or to several as one."""

    async def request(
        self,
        method: str,
        target: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # see Upstream.request
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
    """Sends each request to one of several replicas.

    Args:
        pools: the replicas, the preferred one first.
        clock: monotonic time in seconds.

    Attributes:
        pools: the replicas.
        failovers: how often a request was sent to the next replica.
    """

    def __init__(self, pools: Sequence[Pool], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.pools = tuple(pools)
        self.failovers = 0
        self._clock = clock
        self._failed_until = [0.0] * len(self.pools)

    async def request(
        self,
        method: str,
        target: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # see Upstream.request
        body: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        idempotent: bool = False,
    ) -> UpstreamResponse:
        """Send a request to the first replica that is available.

        Raises:
            Unavailable, BadGateway, GatewayTimeout: the error of the last replica that was tried. No other
                replica is tried when the request has no time left.
        """
        deadline = self._clock() + timeout
        left = timeout
        order = self._order()
        for number, index in enumerate(order, start=1):
            is_last = number == len(order)
            try:
                response = await self.pools[index].request(
                    method, target, timeout=left, body=body, headers=headers, idempotent=idempotent
                )
            except (Unavailable, BadGateway, GatewayTimeout) as error:
                if not isinstance(error, AllBusy):
                    self._try_last(index)
                left = deadline - self._clock()
                reached = not isinstance(error, Unavailable)
                if is_last or left <= 0 or isinstance(error, GatewayTimeout) or (reached and not idempotent):
                    raise
            else:
                if is_last or not idempotent or not _is_not_ready(response):
                    self._failed_until[index] = 0.0
                    return response
                response.abort()
                self._try_last(index)
            self.failovers += 1
        raise Unavailable("no upstream is configured")

    def _try_last(self, index: int) -> None:
        self._failed_until[index] = self._clock() + _TRY_LAST_SECONDS

    def _order(self) -> list[int]:
        """Return the replicas' indexes in the order to try them: those that failed recently come last."""
        now = self._clock()
        return sorted(range(len(self.pools)), key=lambda index: self._failed_until[index] > now)

    async def close(self) -> None:
        """Close every connection to every replica."""
        for pool in self.pools:
            await pool.close()


def _is_not_ready(response: UpstreamResponse) -> bool:
    """Return whether a server is not ready, such as a Prometheus that replays its WAL.

    Prometheus then responds with 503 and a text. A query that timed out is a 503 as well, with JSON.
    """
    if response.status != 503:
        return False
    return not any(
        name == b"content-type" and value.startswith(b"application/json") for name, value in response.headers
    )
