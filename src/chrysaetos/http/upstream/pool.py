"""The upstream: a pool of persistent connections to one Prometheus.

What must never happen, and what prevents it:

- *A response reaches the wrong caller.* A connection returns to the pool only after a complete response. A
  byte that arrives without a request closes it, and before each reuse the kernel is asked whether one is
  waiting. Requests are never pipelined.
- *A request is executed twice.* Only reads are retried, once, and only before the first byte of a response.
- *A slot is lost.* Each request holds one of ``max_connections`` slots from ``_lease`` until its response
  ends, whether by completion, an error, a deadline or the cancellation of the task.

The most recently used connection is taken first, so surplus connections stay idle and are closed. Requests
that wait for a slot are served in order of arrival.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos import __version__
from chrysaetos.errors import ApiError, BadGateway, Unavailable
from chrysaetos.http.upstream.connection import Connection, NoResponse
from chrysaetos.http.upstream.http1 import RequestEncoder
from chrysaetos.http.upstream.response import UpstreamBroken, UpstreamResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

__all__ = ["AllBusy", "Upstream", "UpstreamBroken", "UpstreamOptions", "UpstreamResponse"]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods (RFC 9110, 9.2.1)."""

_CLOSED = "the gateway is shutting down"


class AllBusy(Unavailable):
    """No slot was free in time. The upstream may be well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """Where the upstream is, and how many connections to it are used.

    Attributes:
        host: its name or address; an IPv6 address has no brackets.
        port: TCP port.
        tls: context for HTTPS, with its CA and client certificate; None for plain HTTP.
        path_prefix: prefix of each target, such as ``/prometheus``.
        static_headers: headers of every request, such as ``X-Scope-OrgID``; they override a caller's.
        default_headers: headers of every request that has none of the same name.
        connect_timeout: seconds for name resolution, connection and TLS handshake together.
        max_connections: concurrent requests; further ones wait.
        max_idle: idle connections that are kept open.
        idle_seconds: how long an idle connection is kept; must be less than the upstream's own limit
            (Prometheus: 5 minutes).
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    path_prefix: str = ""
    static_headers: tuple[tuple[str, str], ...] = ()
    default_headers: tuple[tuple[str, str], ...] = ()
    connect_timeout: float = 5.0
    max_connections: int = 100
    max_idle: int = 100
    idle_seconds: float = 60.0


class Upstream:
    """A client of one upstream, for one event loop.

    Args:
        options: where the upstream is.

    Attributes:
        opened: connections that were opened.
        reused: requests that were sent over an idle connection.
        retried: reads that were retried.
        errors: requests that failed and bodies that were cut off, without cancelled requests.

    Raises:
        ValueError: an option cannot be sent as HTTP.
    """

    def __init__(self, options: UpstreamOptions) -> None:
        own_port = 80 if options.tls is None else 443
        self._encoder = RequestEncoder(
            host=options.host,
            port=None if options.port == own_port else options.port,
            path_prefix=options.path_prefix,
            user_agent=f"chrysaetos/{__version__}",
            static_headers=options.static_headers,
            default_headers=options.default_headers,
        )
        self._options = options
        self._max = options.max_connections
        self._in_use = 0
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        self._all_closed: asyncio.Future[None] | None = None
        self.opened = 0
        self.reused = 0
        self.retried = 0
        self.errors = 0

    @property
    def in_use(self) -> int:
        """The number of slots that requests hold."""
        return self._in_use

    @property
    def idle(self) -> int:
        """The number of idle connections."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a slot."""
        return sum(not waiter.done() for waiter in self._waiting)

    async def request(
        self,
        method: str,
        target: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # it also limits pauses in the body, after the call has returned
        body: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        idempotent: bool = False,
    ) -> UpstreamResponse:
        """Send a request and return when the headers of its response have arrived.

        Args:
            method: GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH.
            target: raw path and query, percent-encoded, without the path prefix.
            timeout: seconds for the slot, the connection and the response's headers together; then, for the
                body, seconds without a byte while the caller waits for one.
            body: the content.
            headers: further headers. ``Host``, ``User-Agent``, ``Content-Length`` and the connection's
                headers are added here and must not be among them.
            idempotent: whether the request may be retried, such as a query by POST. GET, HEAD and OPTIONS
                always may.

        Returns:
            The response, with any status; redirects are not followed.

        Raises:
            ValueError: the method, the target or a header cannot be sent as it is.
            Unavailable: the connection failed, or, as ``AllBusy``, no slot was free in time.
            GatewayTimeout: the response's headers did not arrive in time.
            BadGateway: the response's headers are malformed or incomplete, or the connection was closed
                without a response.
        """
        request = self._encoder.encode(method, target, headers, body)
        deadline = time.monotonic() + timeout
        may_retry = idempotent or method in _READS
        fresh = False
        try:
            while True:
                connection = await self._lease(deadline, fresh=fresh)
                waiter = connection.send(
                    request, head_only=method == "HEAD", deadline=deadline, timeout=timeout
                )
                try:
                    return await waiter
                except NoResponse:
                    if not may_retry:
                        raise BadGateway("Prometheus closed the connection without a response") from None
                except asyncio.CancelledError:
                    connection.cancel(waiter)
                    raise
                may_retry, fresh = False, True
                self.retried += 1
        except ApiError:
            self.errors += 1
            raise

    async def close(self) -> None:
        """Close every connection and wait until the sockets are closed. Requests in flight fail."""
        self._closed = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(Unavailable(_CLOSED))
        for connection in tuple(self._open):
            connection.abort(Unavailable(_CLOSED))
        if self._open:
            self._all_closed = asyncio.get_running_loop().create_future()
            await self._all_closed

    # slots

    async def _lease(self, deadline: float, *, fresh: bool) -> Connection:
        """Take a slot and return a connection that a request can be written to.

        Args:
            deadline: by ``time.monotonic()``.
            fresh: whether to open a new connection: the last idle one was closed by the upstream, so the
                others may be closed as well.
        """
        if self._closed:
            raise Unavailable(_CLOSED)
        if self._in_use < self._max:
            self._in_use += 1
            while self._idle and not fresh:
                connection = self._idle.pop()
                if connection.usable():
                    self.reused += 1
                    return connection
                connection.abort()
        else:
            handed = await self._wait(deadline)
            if handed is not None:
                if handed.usable():
                    self.reused += 1
                    return handed
                handed.abort()
        try:
            return await self._connect(deadline)
        except BaseException:
            self._release_slot()
            raise

    async def _wait(self, deadline: float) -> Connection | None:
        """Wait for a slot; return the connection that the previous request leaves, if it can be reused."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await waiter
        except BaseException as error:
            if not waiter.done() or waiter.cancelled():
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:
                self._pass_on(waiter.result())
            if isinstance(error, TimeoutError):
                raise AllBusy("all connections to Prometheus are busy: try again later") from None
            raise

    def _pass_on(self, connection: Connection | None) -> None:
        """Pass a slot and its connection, if any, to the longest waiting request, or free the slot."""
        if connection is not None and connection.closed:
            connection = None
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._in_use -= 1
        if connection is None:
            return
        if self._closed or len(self._idle) >= self._options.max_idle:
            connection.abort()
        else:
            self._idle.append(connection)
            connection.set_idle(self._options.idle_seconds)

    def _release_slot(self) -> None:
        self._pass_on(None)

    async def _connect(self, deadline: float) -> Connection:
        options = self._options
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(deadline - time.monotonic(), options.connect_timeout)):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, loop),
                    options.host,
                    options.port,
                    ssl=options.tls,
                )
        except TimeoutError as error:
            raise Unavailable("Prometheus cannot be reached: the connection took too long") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: the name is invalid in IDNA
            raise Unavailable("Prometheus cannot be reached") from error
        if self._closed:
            connection.abort()
            raise Unavailable(_CLOSED)
        if connection.closed:
            raise Unavailable("Prometheus cannot be reached: it closed the connection immediately")
        # Not earlier: uvloop never reports the loss of a connection that was cancelled in its last step.
        self._open.add(connection)
        self.opened += 1
        return connection

    # called by the connections

    def on_complete(self, connection: Connection) -> None:
        """Reuse the connection: its response was complete."""
        self._pass_on(connection)

    def on_closed(self, connection: Connection, *, busy: bool) -> None:
        """Drop a connection that was closed; if it was ``busy``, release its slot."""
        if busy:
            self._release_slot()
        elif connection in self._idle:
            self._idle.remove(connection)

    def on_cut_off(self) -> None:
        """Count a body that was cut off after the headers."""
        self.errors += 1

    def on_socket_closed(self, connection: Connection) -> None:
        """Forget a connection whose socket is closed."""
        self._open.discard(connection)
        if self._all_closed is not None and not self._open and not self._all_closed.done():
            self._all_closed.set_result(None)
