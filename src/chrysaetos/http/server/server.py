"""All connections of clients in one process: how many, for how long, and how they end.

Deadlines are looked at twice a second, for all connections at once: a request does not pay for a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from chrysaetos.errors import render
from chrysaetos.http.server.connection import ClientConnection
from chrysaetos.http.server.response_writer import closing_answer

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Iterable

    from chrysaetos.errors import ApiError, Headers
    from chrysaetos.http.server.limits import ServerLimits
    from chrysaetos.http.server.request_reader import Head
    from chrysaetos.http.types import Application

    OnRefused = Callable[["RefusedRequest"], Headers]

__all__ = ["HttpServer", "RefusedRequest"]

_log = logging.getLogger(__name__)

_TICK = 0.5
"""Seconds between two looks at the deadlines."""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that the server refused before it reached the application.

    Attributes:
        error: the reason, which is also the answer.
        client: address of the peer, "" for a Unix socket.
        method: its method, "" if its head could not be read.
        path: its path as it was sent, "" if its head could not be read.
        answer_bytes: length of the answer's body.
    """

    error: ApiError
    client: str
    method: str
    path: str
    answer_bytes: int


class HttpServer:
    """All connections of one process.

    Args:
        app: the ASGI application.
        limits: what a client may do.
        loop: the loop that it runs in.
        on_refused: called with each request that does not reach the application; the header fields that it
            returns are added to the answer.

    Attributes:
        connections: those that are open.
        waiting: those that wait for a request or the rest of one; who has waited longest is first.
        unfinished: bytes that were read and belong to no whole request yet.
        refusals: requests that were refused before they reached the application, by status.
        date: the header line ``Date``.
    """

    def __init__(
        self,
        app: Application,
        limits: ServerLimits,
        loop: asyncio.AbstractEventLoop,
        *,
        on_refused: OnRefused = lambda _: [],
    ) -> None:
        self.app = app
        self.limits = limits
        self.loop = loop
        self.connections: set[ClientConnection] = set()
        self.waiting: dict[ClientConnection, None] = {}
        self.draining = False
        self.unfinished = 0
        self.refusals: Counter[int] = Counter()
        self._on_refused = on_refused
        self.date = b""
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._listening: list[asyncio.Server] = []
        self._tick()

    @property
    def full(self) -> bool:
        """Whether there is no room for more of unfinished requests."""
        return self.unfinished > self.limits.unfinished_bytes

    def protocol(self) -> asyncio.Protocol:
        """The protocol for a new connection."""
        return ClientConnection(self)

    async def accept(self, sockets: Iterable[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Serve the clients that connect from now on.

        Args:
            sockets: the sockets that they connect to. They are closed by ``stop_accepting``.
            tls: for HTTPS; None serves plain HTTP.
        """
        handshake = None if tls is None else self.limits.head_seconds
        for sock in sockets:
            self._listening.append(
                await self.loop.create_server(
                    self.protocol, sock=sock, ssl=tls, ssl_handshake_timeout=handshake
                )
            )

    def stop_accepting(self) -> None:
        """Close the sockets that clients connect to."""
        for listening in self._listening:
            listening.close()

    async def stop(self) -> None:
        """Close everything at once."""
        self.stop_accepting()
        await self._abort()
        self.close()

    async def drain(self, seconds: float) -> None:
        """Serve the requests under way, and those that arrive at this moment, and close every connection.

        Connections without a request are closed at once. Answers end their connection from now on.

        Args:
            seconds: until what is not done by then is cancelled.
        """
        self.draining = True
        for connection in tuple(self.connections):
            connection.drain()
        await self._until_empty(seconds)
        if self.connections:
            _log.warning("%d requests were cut off after %g seconds", len(self.connections), seconds)
            await self._abort()

    def close(self) -> None:
        """Look at no deadline any more."""
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
        """A client has connected. Whether there is room for it."""
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            oldest = next(iter(self.waiting), None)
            if oldest is None:
                return False
            oldest.abort()
        self.waiting[connection] = None
        return True

    def forget(self, connection: ClientConnection) -> None:
        """A connection has ended, and its request's task too."""
        self.connections.discard(connection)
        self.waiting.pop(connection, None)
        if self._empty is not None and not self.connections and not self._empty.done():
            self._empty.set_result(None)

    def refuse(self, error: ApiError, client: str, head: Head | None) -> bytes:
        """Take note of a request that does not reach the application.

        Args:
            error: why.
            client: address of the peer.
            head: of the request, if it could be read.

        Returns:
            The whole answer.
        """
        method, path = ("", "") if head is None else (head.method, head.path.decode("latin-1"))
        _log.debug("refused a request of %s: %s", client, error)
        self.refusals[error.status] += 1
        status, headers, body = render(error)
        headers += self._on_refused(RefusedRequest(error, client, method, path, len(body)))
        return closing_answer((status, headers, body), self.date)

    def _tick(self) -> None:
        self._timer = self.loop.call_later(_TICK, self._tick)
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = self.loop.time()
        for connection in [one for one in self.connections if one.deadline < now]:
            connection.expire()
