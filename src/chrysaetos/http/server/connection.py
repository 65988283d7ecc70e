"""A client's connection: passes its requests to the application and writes the responses.

Theory of operation. A connection is in one of four states:

    waiting    for a request, or for the rest of one
    serving    a request is complete and the application handles it
    lingering  an error was sent; further bytes are discarded, so that the client can read the error
    closed

``waiting → serving → waiting`` is the path of a valid request. The application is called only when a request
is complete and valid, so no part of a malformed request reaches it. Pipelined requests (RFC 9112, 9.3.2) are
served in order, one at a time.

Bytes of incomplete requests count against a limit that all connections share.

If the client disconnects, the task of its request is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Protocol, cast

from chrysaetos.errors import ApiError, RequestTimeout, Unavailable
from chrysaetos.http.direct_task import DirectTask
from chrysaetos.http.server.kernel import has_input, reset_when_closed, unread_bytes
from chrysaetos.http.server.request_reader import HeaderCache, RequestReader
from chrysaetos.http.server.response_writer import ResponseWriter

if TYPE_CHECKING:
    from chrysaetos.errors import Headers
    from chrysaetos.http.server.limits import ServerLimits
    from chrysaetos.http.server.unfinished_bytes import UnfinishedBytes
    from chrysaetos.http.types import Handler, HttpRequest

__all__ = ["ClientConnection", "Owner"]

_LOG = logging.getLogger(__name__)

_LINGER_SECONDS = 2.0
_RECENT = 0.5
"""Seconds after a response in which the client probably sends the next request."""
_AHEAD = 64 * 1024
"""Bytes of pipelined requests that are read while a request is served."""
_JOIN = 16 * 1024
_JOIN_LAST = 128 * 1024
"""Below so many bytes, joining the pieces of a part of the body, or of its last part, is cheaper than writing
each of them. The last part of a short response has its headers, and wakes up its client."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_WAITING, _SERVING, _LINGERING, _CLOSED = range(4)
"""The states. They are no ``Enum``, whose members take long to look up in Python 3.11."""


class Owner(Protocol):
    """The part of ``HttpServer`` that its connections use."""

    handler: Handler
    limits: ServerLimits
    headers: HeaderCache
    loop: asyncio.AbstractEventLoop
    waiting: dict[ClientConnection, None]
    unfinished: UnfinishedBytes
    draining: bool
    requests: int
    date: bytes

    def admit(self, connection: ClientConnection) -> bool: ...  # noqa: D102  # see HttpServer
    def forget(self, connection: ClientConnection) -> None: ...  # noqa: D102  # see HttpServer
    def refuse(self, error: ApiError, client: str, request: HttpRequest | None) -> bytes: ...  # noqa: D102  # see HttpServer


class ClientConnection(asyncio.Protocol):
    """The connection of a client, and the ``Reply`` to its current request."""

    _transport: asyncio.Transport
    _writer: ResponseWriter

    def __init__(self, server: Owner) -> None:
        self.deadline = math.inf
        self._server = server
        self._state = _WAITING
        self._reader = RequestReader(server.limits.framing, server.headers)
        self._reading = True
        self._client = ""
        self._since = 0.0  # when the connection was opened, or its last response ended
        self._begun = True  # whether the deadline for the headers is running
        self._request: HttpRequest | None = None  # None: its headers are incomplete
        self._body = bytearray()  # of an incomplete request
        self._task: DirectTask | None = None
        self._drained: asyncio.Future[None] | None = None
        self._backlog = 0
        self._lost = False

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the first request, or reject the client if the server is full."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._client = peer[0]
        self._since = self._server.loop.time()
        self.deadline = self._since + self._server.limits.head_seconds
        if not self._server.admit(self):
            self._transport.write(self._refusal(Unavailable("too many clients are connected")))
            self._close()

    def data_received(self, data: bytes) -> None:
        """Read bytes of one or more requests."""
        if self._state == _WAITING:
            self._reader.feed(data)
            self._read()
        elif self._state == _SERVING:
            self._reader.feed(data)
            self._server.unfinished.hold(self, self._reader.waiting)
            if self._reading and (self._reader.waiting > _AHEAD or self._server.unfinished.full):
                self._reading = False
                self._transport.pause_reading()

    def eof_received(self) -> None:
        """Abort: a client that closes its side cannot be assumed to still read (RFC 9112, 9.5)."""
        if self._state == _SERVING:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the cause makes no difference
        """Release everything and cancel the request after either side has closed the socket."""
        self._lost = True
        self._state = _CLOSED
        self._drop()
        self.deadline = math.inf
        self.resume_writing()
        if self._task is None:
            self._server.forget(self)
        else:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Let the application wait until the client has read more of the response."""
        self._drained = self._server.loop.create_future()

    def resume_writing(self) -> None:
        """Let the application continue."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # called by the server

    def drain(self) -> None:
        """Close if no request is in progress, because the process is stopping."""
        if not self._idle:
            return
        if self._server.loop.time() - self._since < _RECENT:
            self.deadline = self._since + _RECENT
        else:
            self._close_if_silent()

    def expire(self) -> None:
        """Act on a deadline that has passed."""
        if self._idle:
            self._close_if_silent()
        elif self._state == _WAITING:
            self._refuse(RequestTimeout("the request did not arrive in time"))
        elif self._state != _LINGERING and self._reads_fast_enough():
            self.deadline = self._server.loop.time() + self._server.limits.write_seconds
        else:
            self.abort()

    def give_up(self) -> None:
        """Discard an incomplete request, because together they hold too much memory."""
        if self._state == _WAITING:
            self._refuse(Unavailable("incomplete requests hold too much memory (max_unfinished_bytes)"))
        else:  # it follows one that is being served
            self.abort()
            self._drop()

    def abort(self) -> None:
        """Close at once and discard unsent bytes."""
        self._state = _CLOSED
        self.deadline = math.inf
        self._server.waiting.pop(self, None)
        self._transport.abort()

    @property
    def _idle(self) -> bool:
        return self._state == _WAITING and self._request is None and not self._reader.waiting

    def _reads_fast_enough(self) -> bool:
        """Return whether the client has read enough of the response since the deadline was set."""
        limits = self._server.limits
        before, self._backlog = self._backlog, unread_bytes(self._transport)
        return before - self._backlog >= limits.write_rate * limits.write_seconds

    def _close_if_silent(self) -> None:
        # Unread bytes in the kernel belong to a request that the client expects to be served.
        if has_input(self._transport):
            self.deadline = self._server.loop.time() + self._server.limits.head_seconds
        else:
            self._close()

    def _close(self) -> None:
        """Close after the written bytes have been sent."""
        server = self._server
        self._state = _CLOSED
        self._drop()
        server.waiting[self] = None
        self._backlog = unread_bytes(self._transport)
        self.deadline = server.loop.time() + server.limits.write_seconds
        self._transport.close()
        if self._transport.get_extra_info("ssl_object") is not None:
            # The transport waits until the client closes its side too, which idle clients do not.
            server.loop.call_later(_LINGER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        """Close a connection with TLS without the client's part, if it has read everything."""
        if not self._lost and not unread_bytes(self._transport):
            self.abort()

    def _refuse(self, error: ApiError) -> None:
        """Send an error and read no more requests."""
        self._transport.write(self._refusal(error))
        self._drop()
        self._server.waiting[self] = None
        self._state = _LINGERING
        self.deadline = self._server.loop.time() + _LINGER_SECONDS
        # Closing while the client sends would reset the connection before it can read the response
        # (RFC 9112, 9.6).
        if not self._reading:
            self._transport.resume_reading()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _refusal(self, error: ApiError) -> bytes:
        return self._server.refuse(error, self._client_of(self._request), self._request)

    def _client_of(self, request: HttpRequest | None) -> str:  # noqa: ARG002  # for subclasses
        """Return the address of the client that sent a request, "" for a Unix socket."""
        return self._client

    def _drop(self) -> None:
        """Discard the bytes of incomplete requests."""
        self._reader.drop()
        self._body.clear()
        self._request = None
        self._server.unfinished.hold(self, 0)

    # requests

    def _read(self) -> None:
        """Parse the buffered bytes and call the application when a request is complete."""
        try:
            request = self._read_request()
        except ApiError as error:
            self._refuse(error)
            return
        unfinished = self._server.unfinished
        unfinished.hold(self, self._reader.waiting + len(self._body))
        if request is None:
            unfinished.make_room()
        else:
            self._serve(request)

    def _read_request(self) -> HttpRequest | None:
        """Return the next request if it is complete."""
        reader, server = self._reader, self._server
        request = self._request
        if request is None:
            request = reader.head()
            if request is None:
                if not self._begun and reader.waiting:
                    self._begun = True
                    self.deadline = server.loop.time() + server.limits.head_seconds
                return None
            self._request = request
            if reader.complete:
                return request
            self.deadline = server.loop.time() + server.limits.body_seconds
            if request.expects and not reader.waiting:
                self._transport.write(_CONTINUE)
        self._body += reader.body()
        if not reader.complete:
            return None
        request.body = bytes(self._body)
        self._body.clear()
        return request

    def _serve(self, request: HttpRequest) -> None:
        server = self._server
        self._state = _SERVING
        self.deadline = math.inf
        server.waiting.pop(self, None)
        request.client = self._client_of(request)
        self._writer = ResponseWriter(request)
        self._task = DirectTask(self._run(request), server.loop)
        server.requests += 1
        if server.requests == 1:
            self._task.wake_up()
        else:
            # The requests of many clients arrive in the same turn. One step of all of them, and then the next
            # one, finds more of its code in the processor's caches.
            server.loop.call_soon(self._task.wake_up)

    async def _run(self, request: HttpRequest) -> None:
        """Call the application for a request and act on the end of its response."""
        try:
            if self._state == _SERVING:  # the client may be gone since the request was read
                await self._server.handler(request, self)
            if self.paused:
                await self.drained()
        except asyncio.CancelledError:
            self.abort()
        except Exception:  # noqa: BLE001  # the application handles the exceptions that it expects
            _LOG.exception("the application failed")
        self._task = self._request = None
        self._server.requests -= 1
        if self._lost:
            self._server.forget(self)
        elif self._state == _SERVING:
            if self._writer.complete:
                self._next(request)
            else:
                self._break_off()
        # The request may have a megabyte, and the next one may be long in coming.
        del self._writer

    # called by the application: see ``Reply``

    @property
    def paused(self) -> bool:
        """Whether the client reads more slowly than the application writes."""
        return self._drained is not None

    def begin(self, status: int, headers: Headers) -> None:
        """Set the status and the headers, which are sent with the first part of the body."""
        self._writer.begin(status, headers)

    def write(self, body: bytes, *, more: bool = False) -> None:
        """Send a part of the body, the last one unless there is more."""
        server = self._server
        if self._state != _SERVING:
            return
        pieces = self._writer.encode(body, server.date, more=more, closing=server.draining)
        if sum(map(len, pieces)) < (_JOIN if more else _JOIN_LAST):
            self._transport.write(b"".join(pieces))
        else:
            # Not writelines(): that of asyncio never calls pause_writing() in Python 3.12.0 to 3.12.8 and
            # 3.13.0 to 3.13.1 (CVE-2024-12254), so a slow client would fill the gateway's memory.
            for piece in pieces:
                self._transport.write(piece)

    async def drained(self) -> None:
        """Wait until the client has read more of the response."""
        if self._drained is not None:
            server = self._server
            if self._request is not None:
                self._request.body = b""
            self._backlog = unread_bytes(self._transport)
            self.deadline = server.loop.time() + server.limits.write_seconds
            server.waiting[self] = None
            try:
                await self._drained
            finally:
                server.waiting.pop(self, None)
            self.deadline = math.inf

    def _next(self, request: HttpRequest) -> None:
        """Continue with the next request, or close, after a complete response."""
        if not request.keep_alive:
            self._close()
            return
        server = self._server
        self._state = _WAITING
        self._begun = False
        self._since = server.loop.time()
        self.deadline = self._since + (_RECENT if server.draining else server.limits.idle_seconds)
        server.waiting[self] = None
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()
        if self._reader.waiting:
            # Not at once: the stack would grow with each of many requests.
            server.loop.call_soon(self.data_received, b"")

    def _break_off(self) -> None:
        """End an incomplete response so that the client cannot take it for a complete one."""
        writer = self._writer
        if not writer.begun:
            self._refuse(ApiError("internal error; see the server's log"))
            return
        self._transport.write(b"".join(writer.unfinished(self._server.date)))
        if writer.ends_with_connection:
            # Only a reset distinguishes an incomplete response from a complete one (RFC 9112, 8).
            reset_when_closed(self._transport)
            self.abort()
        else:
            self._close()
