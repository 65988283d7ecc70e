"""All connections of clients in one process: how many, for how long, and how they end.

Deadlines are looked at twice a second, for all connections at once: a request does not pay for a timer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from chrysaetos.gateway.asgi.exchange import Exchange
from chrysaetos.http.server.connection import ClientConnection
from chrysaetos.http.server.request_reader import FramingLimits
from chrysaetos.http.server.response_writer import refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrysaetos.errors import ApiError
    from chrysaetos.http.server.request_reader import Head
    from chrysaetos.http.types import Message, Receive, Send

    Application = Callable[[Message, Receive, Send], Awaitable[None]]

__all__ = ["HttpServer", "ServerLimits"]

_log = logging.getLogger(__name__)

_TICK = 0.5
"""Seconds between two looks at the deadlines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What a client may do.

    Attributes:
        framing: how large a request may be.
        connections: open at once. One more takes the place of the one that has waited longest.
        unfinished_bytes: of requests that have not arrived whole, of all clients together. Whose request
            goes beyond is refused.
        head_seconds: for the head of a request, from its first byte, or from the connection's beginning.
        body_seconds: for its body.
        idle_seconds: without a request.
        write_seconds: without the client's taking anything of an answer.
    """

    framing: FramingLimits = field(default_factory=FramingLimits)
    connections: int = 2000
    unfinished_bytes: int = 64 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    write_seconds: float = 60.0


class HttpServer:
    """All connections of one process.

    Args:
        app: the ASGI application.
        limits: what a client may do.
        loop: the loop that it runs in.

    Attributes:
        connections: those that are open.
        waiting: those that wait for a request or the rest of one; who has waited longest is first.
        unfinished: bytes that were read and belong to no whole request yet.
        refusals: requests that were refused before they reached the application, by status.
        observers: are told of each of these.
        date: the header line ``Date``.
    """

    def __init__(self, app: Application, limits: ServerLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.limits = limits
        self.loop = loop
        self.connections: set[ClientConnection] = set()
        self.waiting: dict[ClientConnection, None] = {}
        self.draining = False
        self.unfinished = 0
        self.refusals: Counter[int] = Counter()
        self.observers: list[Callable[[Exchange], None]] = []
        self.date = b""
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._tick()

    @property
    def full(self) -> bool:
        """Whether there is no room for more of unfinished requests."""
        return self.unfinished > self.limits.unfinished_bytes

    def protocol(self) -> asyncio.Protocol:
        """The protocol for a new connection."""
        return ClientConnection(self)

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
            for connection in tuple(self.connections):
                connection.abort()
            await self._until_empty(1.0)

    def close(self) -> None:
        """Look at no deadline any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

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
        exchange = Exchange("" if head is None else head.method, client)
        if head is not None:
            exchange.path = head.path.decode("latin-1")
        fields, body = refusal(error, self.date, exchange.request_id)
        exchange.status, exchange.error, exchange.reason = error.status, error.error_type, error.message
        exchange.sent, exchange.complete, exchange.ended = len(body), True, time.perf_counter()
        _log.debug("%s: refused: %s", exchange.request_id, error)
        self.refusals[error.status] += 1
        for observer in self.observers:
            observer(exchange)
        return fields + body

    def _tick(self) -> None:
        self._timer = self.loop.call_later(_TICK, self._tick)
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = self.loop.time()
        for connection in [one for one in self.connections if one.deadline < now]:
            connection.expire()
