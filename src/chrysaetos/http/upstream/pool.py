"""The upstream: a pool of kept-alive connections to one Prometheus.

What must never happen, and what stands against it:

- *An answer reaches the wrong caller.* A connection goes back to the pool only behind a complete answer; a
  byte that arrives out of turn closes it; before each reuse the kernel is asked whether one is waiting.
  Requests are never pipelined.
- *A request is carried out twice.* Only reads are sent again, once, before the first byte of an answer.
- *A slot is lost.* Each request holds one of ``max_connections`` slots from ``_lease`` to the end of its
  answer, whatever ends it: its end, an error, a deadline, the cancellation of the task.

The connection that was used last is taken first, so that those which are not needed grow old and close. Who
waits for a slot is served in the order of arrival.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos import __version__
from chrysaetos.errors import ApiError, BadGateway, Unavailable
from chrysaetos.http.upstream.connection import Connection, Unanswered
from chrysaetos.http.upstream.http1 import RequestEncoder
from chrysaetos.http.upstream.response import UpstreamBroken, UpstreamResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

__all__ = ["Upstream", "UpstreamBroken", "UpstreamOptions", "UpstreamResponse"]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods (RFC 9110, 9.2.1)."""

_CLOSED = "The gateway is shutting down."


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """Where the upstream is, and how much of it is used.

    Attributes:
        host: name or address; an IPv6 address without brackets.
        port: TCP port.
        tls: context for HTTPS, with its CA and client certificate; None speaks plain HTTP.
        server_hostname: name that the upstream's certificate must have; the host when None.
        path_prefix: path in front of each target, as ``/prometheus``.
        static_headers: fields that each request carries, as ``X-Scope-OrgID``; they win over a caller's.
        default_headers: fields that a request carries unless it has one of the same name.
        connect_timeout: seconds for name resolution, connection and TLS handshake together.
        max_connections: requests that are under way at once; further ones wait.
        max_idle: connections that are kept without a request.
        idle_seconds: how long each of them is kept; less than the upstream does (Prometheus: 5 minutes).
        max_header_bytes: limit for the head of an answer.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_hostname: str | None = None
    path_prefix: str = ""
    static_headers: tuple[tuple[str, str], ...] = ()
    default_headers: tuple[tuple[str, str], ...] = ()
    connect_timeout: float = 5.0
    max_connections: int = 100
    max_idle: int = 100
    idle_seconds: float = 60.0
    max_header_bytes: int = 64 * 1024


class Upstream:
    """A client of one upstream, for one event loop.

    Args:
        options: where it is.

    Attributes:
        opened: connections that were opened.
        reused: requests that were sent over a kept one.
        retried: reads that were sent a second time.
        errors: requests that ended in an error and bodies that broke off; cancelled ones are not among them.

    Raises:
        ValueError: a part of the options cannot be sent as HTTP.
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
        self._all_gone: asyncio.Future[None] | None = None
        self.opened = 0
        self.reused = 0
        self.retried = 0
        self.errors = 0

    @property
    def in_use(self) -> int:
        """Slots that requests hold now."""
        return self._in_use

    @property
    def idle(self) -> int:
        """Kept connections without a request."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return sum(not waiter.done() for waiter in self._waiting)

    async def request(
        self,
        method: str,
        target: bytes,
        *,
        timeout: float,  # noqa: ASYNC109 - it bounds silence in the body too, which no scope around the call can
        body: bytes = b"",
        headers: Sequence[tuple[bytes, bytes]] = (),
        idempotent: bool = False,
    ) -> UpstreamResponse:
        """Sends one request and returns when the head of its answer is there.

        Args:
            method: GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH.
            target: raw path and query, percent-encoded; the path prefix comes in front of it.
            timeout: seconds for a slot, the connection and the head together; then, for the body, seconds
                without a byte while one is awaited.
            body: the content.
            headers: further fields. ``Host``, ``User-Agent``, ``Content-Length`` and those of the connection
                are written here and refused there.
            idempotent: it may be sent a second time, as a query by POST. GET, HEAD and OPTIONS always may.

        Returns:
            The answer, whatever its status; redirects are not followed.

        Raises:
            ValueError: the method, the target or a header cannot be sent as it is.
            Unavailable: no connection, or no free slot in time.
            GatewayTimeout: no head of an answer in time.
            BadGateway: the answer's head is malformed or broke off, or the connection ended without one.
        """
        request = self._encoder.encode(method, target, headers, body)
        deadline = asyncio.get_running_loop().time() + timeout
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
                except Unanswered:
                    if not may_retry:
                        raise BadGateway("Prometheus closed the connection without an answer.") from None
                except asyncio.CancelledError:
                    connection.give_up(waiter)
                    raise
                may_retry, fresh = False, True
                self.retried += 1
        except ApiError:
            self.errors += 1
            raise

    async def close(self) -> None:
        """Closes every connection and waits until the sockets are closed. Requests under way fail."""
        self._closed = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(Unavailable(_CLOSED))
        for connection in tuple(self._open):
            connection.abort(Unavailable(_CLOSED))
        if self._open:
            self._all_gone = asyncio.get_running_loop().create_future()
            await self._all_gone

    # slots

    async def _lease(self, deadline: float, *, fresh: bool) -> Connection:
        """A connection that can be written to, and the slot that goes with it.

        Args:
            deadline: loop time.
            fresh: a resting connection will not do: the last one had died in its rest, and so may all have.
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
            self._free_slot()
            raise

    async def _wait(self, deadline: float) -> Connection | None:
        """Waits for a slot; with it may come the connection of the request that has just ended."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except BaseException as error:
            if not waiter.done() or waiter.cancelled():
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:
                self._pass_on(waiter.result())
            if isinstance(error, TimeoutError):
                raise Unavailable("All connections to Prometheus are busy. Try again later.") from None
            raise

    def _pass_on(self, connection: Connection | None) -> None:
        """Gives a slot, and the connection that may come with it, to who has waited longest, or keeps it."""
        if connection is not None and connection.shut:
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
            connection.rest(self._options.idle_seconds)

    def _free_slot(self) -> None:
        self._pass_on(None)

    async def _connect(self, deadline: float) -> Connection:
        options = self._options
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + options.connect_timeout)):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, loop, options.max_header_bytes),
                    options.host,
                    options.port,
                    ssl=options.tls,
                    server_hostname=options.server_hostname if options.tls is not None else None,
                )
        except TimeoutError as error:
            raise Unavailable("Prometheus cannot be reached: the connection took too long.") from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that is none to IDNA
            raise Unavailable("Prometheus cannot be reached.") from error
        if self._closed:
            connection.abort()
            raise Unavailable(_CLOSED)
        if connection.shut:
            raise Unavailable("Prometheus cannot be reached: it closed the connection at once.")
        # not earlier: uvloop never reports the loss of a connection that was cancelled in its last step
        self._open.add(connection)
        self.opened += 1
        return connection

    # what the connections tell

    def on_free(self, connection: Connection) -> None:
        """The answer was complete and the connection can carry another request."""
        self._pass_on(connection)

    def on_shut(self, connection: Connection, *, busy: bool) -> None:
        """The connection is of no more use; ``busy``: it held a slot for a request."""
        if busy:
            self._free_slot()
        elif connection in self._idle:
            self._idle.remove(connection)

    def on_broken(self) -> None:
        """A body broke off behind its head."""
        self.errors += 1

    def on_gone(self, connection: Connection) -> None:
        """The socket is closed."""
        self._open.discard(connection)
        if self._all_gone is not None and not self._open and not self._all_gone.done():
            self._all_gone.set_result(None)
