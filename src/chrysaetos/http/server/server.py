"""All client connections of a process: their number, their deadlines and how they are closed.

Deadlines are checked twice a second for all connections at once, so no request needs a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING

from chrysaetos.errors import render
from chrysaetos.http.server.connection import ClientConnection
from chrysaetos.http.server.proxied_connection import ProxiedConnection
from chrysaetos.http.server.request_reader import HeaderCache
from chrysaetos.http.server.response_writer import closing_response
from chrysaetos.http.server.sockets import BACKLOG
from chrysaetos.http.server.unfinished_bytes import UnfinishedBytes

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable

    from chrysaetos.errors import ApiError, Headers
    from chrysaetos.http.server.client_address import TrustedProxies
    from chrysaetos.http.server.limits import ServerLimits
    from chrysaetos.http.types import Handler, HttpRequest

    OnRefused = Callable[["RefusedRequest"], Headers]

__all__ = ["HttpServer", "RefusedRequest"]

_LOG = logging.getLogger(__name__)

_TICK = 0.5
"""Seconds between two checks of the deadlines."""
_ACCEPT_PAUSE = 1.0
"""Seconds before connections are accepted again after that failed, as when too many files are open."""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that was rejected before it reached the application.

    Attributes:
        error: the reason, which is sent as the response.
        client: the client's address, "" for a Unix socket.
        method: its method, "" if the headers could not be read.
        path: its path as sent, "" if the headers could not be read.
        answer_bytes: length of the response's body.
    """

    error: ApiError
    client: str
    method: str
    path: str
    answer_bytes: int


class HttpServer:
    """Accepts and manages all client connections of a process.

    Args:
        handler: responds to requests.
        limits: limits on clients and their requests.
        loop: the event loop.
        on_refused: called with each request that is rejected before it reaches the application; returns
            headers to add to the response.
        proxies: the proxies that may name their clients; None for none.

    Attributes:
        headers: the headers of the last requests.
        connections: the open connections.
        waiting: connections that wait for their client, the longest waiting first: for a request or the rest
            of one, until it has read more of a response, or until it closes its side.
        requests: the number of requests in progress.
        unfinished: bytes of incomplete requests.
        refusals: requests that were rejected before they reached the application, by status.
        date: the current ``Date`` header line.
    """

    def __init__(
        self,
        handler: Handler,
        limits: ServerLimits,
        loop: asyncio.AbstractEventLoop,
        *,
        on_refused: OnRefused = lambda _: [],
        proxies: TrustedProxies | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits
        self.headers = HeaderCache()
        self.loop = loop
        self.connections: set[ClientConnection] = set()
        self.waiting: dict[ClientConnection, None] = {}
        self.unfinished = UnfinishedBytes(limits.unfinished_bytes)
        self.draining = False
        self.requests = 0
        self.refusals: Counter[int] = Counter()
        self._on_refused = on_refused
        self._proxies = proxies
        self.date = b""
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._listening: list[asyncio.Server] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: dict[asyncio.Task[None], None] = {}  # in progress, the oldest first
        self._tick()

    @property
    def tasks(self) -> int:
        """The number of unfinished tasks of the event loop. Counting visits each of them."""
        return len(asyncio.all_tasks(self.loop)) + self.requests

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return ClientConnection(self) if self._proxies is None else ProxiedConnection(self, self._proxies)

    async def accept(self, sockets: Iterable[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Start to accept connections.

        Args:
            sockets: the listening sockets. ``stop_accepting`` closes them.
            tls: the context for HTTPS; None for plain HTTP.
        """
        if tls is not None:
            self._accepting += [self.loop.create_task(self._accept_tls(sock, tls)) for sock in sockets]
            return
        for sock in sockets:
            for copy in [sock, *(sock.dup() for _ in range(self.limits.accepts - 1))]:
                self._listening.append(
                    # It calls listen(2) again, by default with a backlog of 100.
                    await self.loop.create_server(self.protocol, sock=copy, backlog=BACKLOG)
                )

    async def _accept_tls(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        """Accept connections with TLS.

        The event loop's own server would not limit the handshakes in progress, which clients need not end.
        """
        with listening:
            accepted = 0
            while True:
                try:
                    sock, _ = await self.loop.sock_accept(listening)
                except OSError as error:
                    _LOG.error("no connection can be accepted: %s", error.strerror)
                    await asyncio.sleep(_ACCEPT_PAUSE)
                    continue
                if len(self._handshakes) >= self.limits.connections:
                    oldest = next(iter(self._handshakes))
                    del self._handshakes[oldest]
                    oldest.cancel()
                task = self.loop.create_task(self._begin_tls(sock, tls))
                self._handshakes[task] = None
                task.add_done_callback(partial(self._end_handshake, sock))
                accepted += 1
                if accepted % self.limits.accepts == 0:
                    await asyncio.sleep(0)  # sock_accept() does not wait if a client waits

    async def _begin_tls(self, sock: socket.socket, tls: ssl.SSLContext) -> None:
        with suppress(OSError):  # the client sends no TLS, or takes too long
            await self.loop.connect_accepted_socket(
                self.protocol, sock, ssl=tls, ssl_handshake_timeout=self.limits.head_seconds
            )

    def _end_handshake(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._handshakes.pop(task, None)
        if task.cancelled():  # perhaps before it began, and so before the connection owned the socket
            sock.close()

    def stop_accepting(self) -> None:
        """Close the listening sockets."""
        for listening in self._listening:
            listening.close()
        for task in self._accepting:
            task.cancel()

    async def stop(self) -> None:
        """Close the listening sockets and all connections at once."""
        self.stop_accepting()
        await self._abort()
        self.close()

    async def drain(self, seconds: float) -> None:
        """Finish the requests in progress, and those that are just arriving, and close every connection.

        Connections without a request are closed at once, the others after their response.

        Args:
            seconds: after which requests that are still in progress are cancelled.
        """
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()
        await self._until_empty(seconds)
        if self.connections:
            _LOG.warning(
                "aborted %d requests that were still in progress after %g seconds",
                len(self.connections),
                seconds,
            )
            await self._abort()

    def close(self) -> None:
        """Stop checking deadlines, and the handshakes in progress."""
        for task in self._handshakes:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _abort(self) -> None:
        for connection in tuple(self.connections):
            connection.abort()
        await self._until_empty(1.0)

    async def _until_empty(self, seconds: float) -> None:
        if self.connections:
            self._empty = self.loop.create_future()
            await asyncio.wait((self._empty,), timeout=seconds)

    def admit(self, connection: ClientConnection) -> bool:
        """Add a connection; return False if there are too many and none of them can be closed."""
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            oldest = next(iter(self.waiting), None)
            if oldest is None:
                return False
            oldest.abort()
        self.waiting[connection] = None
        return True

    def forget(self, connection: ClientConnection) -> None:
        """Remove a connection that has ended, along with the task of its request."""
        self.connections.discard(connection)
        self.waiting.pop(connection, None)
        if self._empty is not None and not self.connections and not self._empty.done():
            self._empty.set_result(None)

    def refuse(self, error: ApiError, client: str, request: HttpRequest | None) -> bytes:
        """Record a request that is rejected before it reaches the application.

        Args:
            error: the reason.
            client: the client's address.
            request: the request, None if its headers could not be read.

        Returns:
            The complete response.
        """
        method, path = ("", "") if request is None else (request.method, request.path.decode("latin-1"))
        _LOG.debug("rejected a request from %s: %s", client, error)
        self.refusals[error.status] += 1
        status, headers, body = render(error)
        headers += self._on_refused(RefusedRequest(error, client, method, path, len(body)))
        return closing_response((status, headers, body), self.date)

    def _tick(self) -> None:
        self._timer = self.loop.call_later(_TICK, self._tick)
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = self.loop.time()
        for connection in [each for each in self.connections if each.deadline < now]:
            connection.expire()
