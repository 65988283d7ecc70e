"""A connection to the upstream, which carries one request at a time.

Theory of operation. A connection is in one of four states:

    idle     in the pool; no byte may arrive
    leased   assigned to a request that has not been written yet
    busy     a request has been written and its response is being read
    closed   closed for good; its slot has been released

``idle → leased → busy → idle`` is the path of a complete response, and only of that. Anything else ends in
*closed*: the upstream closes the connection or sends a byte unexpectedly, the response is malformed or cut
off, a deadline passes, the request was not fully written when its response ended, or the caller is cancelled.

The transport is read by callbacks only. A response that arrives in one read costs one future, no task and no
queue. All deadlines of a connection share one timer. It is set again only if it would fire too late, or after
it fired too early, so most requests set no timer.
"""

from __future__ import annotations

import asyncio
import math
import select
import time
from typing import Protocol, cast

from chrysaetos.errors import ApiError, BadGateway, GatewayTimeout
from chrysaetos.http.direct_task import DirectFuture
from chrysaetos.http.upstream.http1 import ProtocolError, ResponseReader
from chrysaetos.http.upstream.response import BodyStream, UpstreamBroken, UpstreamResponse

__all__ = ["Connection", "NoResponse", "Owner"]

_HIGH_WATER = 256 * 1024
"""Bytes of a body that are buffered before the transport is paused."""

_TIMER_SLACK = 0.001
"""Seconds; the resolution of the event loop's clock."""


class NoResponse(Exception):
    """The connection was closed before the first byte of a response."""


class Owner(Protocol):
    """The callbacks of a connection's pool."""

    def on_complete(self, connection: Connection) -> None:
        """Reuse the connection: its response was complete."""

    def on_closed(self, connection: Connection, *, busy: bool) -> None:
        """Drop a connection that was closed; if it was ``busy``, release its slot."""

    def on_cut_off(self) -> None:
        """Count a body that was cut off after the headers."""

    def on_socket_closed(self, connection: Connection) -> None:
        """Forget a connection whose socket is closed."""


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time.

    Args:
        owner: the pool.
        loop: the running loop.
    """

    __slots__ = (
        "_busy",
        "_deadline",
        "_loop",
        "_owner",
        "_paused",
        "_poll",
        "_reader",
        "_stream",
        "_timeout",
        "_timer",
        "_timer_due",
        "_transport",
        "_waiter",
        "closed",
    )

    _transport: asyncio.Transport

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.closed = False
        self._owner = owner
        self._loop = loop
        self._busy = False
        self._paused = False
        self._poll = select.poll()
        self._reader: ResponseReader | None = None
        self._stream: BodyStream | None = None
        self._waiter: DirectFuture[UpstreamResponse] | None = None
        self._timeout = 0.0
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf

    # called by the pool

    def usable(self) -> bool:
        """Return whether a request may be written.

        This also asks the kernel: bytes that the event loop has not read yet would be taken for the response
        to the next request.
        """
        return not self.closed and not self._poll.poll(0)

    def send(
        self, request: bytes, *, head_only: bool, deadline: float, timeout: float
    ) -> asyncio.Future[UpstreamResponse]:
        """Write a request.

        Args:
            request: the complete request.
            head_only: whether its method is HEAD.
            deadline: by ``time.monotonic()``, when the response's headers must have arrived.
            timeout: seconds without a byte of the body after which the response fails.

        Returns:
            A future of the response, done once its headers are read. It fails with ``NoResponse`` or an
            ``ApiError``.
        """
        self._busy = True
        self._reader = ResponseReader(head_only=head_only)
        self._timeout = timeout
        waiter: DirectFuture[UpstreamResponse] = DirectFuture(loop=self._loop)
        self._waiter = waiter
        self._expire_at(deadline)
        self._transport.write(request)
        return waiter

    def cancel(self, waiter: asyncio.Future[UpstreamResponse]) -> None:
        """Close the connection because the task that waited for this response was cancelled."""
        if self._waiter is waiter:
            self.abort()

    def set_idle(self, seconds: float) -> None:
        """Close the connection unless it is used again within so many seconds."""
        self._expire_at(time.monotonic() + seconds)

    def abort(self, error: ApiError | None = None) -> None:
        """Close the connection at once. A request in flight fails with the error, if one is given."""
        waiter, stream = self._waiter, self._stream
        self._close()
        if stream is not None:
            stream.finish(UpstreamBroken("the response was aborted"))
        elif error is not None and waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def resume(self) -> None:
        """Read from the transport again, because the buffered part of the body was consumed."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._expire_at(time.monotonic() + self._timeout)

    # called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. With TLS, the handshake is complete."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Read a part of the response. Bytes without a request close the connection."""
        reader = self._reader
        if reader is None:
            self._close()
            return
        try:
            piece = reader.feed(data)
        except ProtocolError as error:
            refusal = BadGateway(f"Prometheus sent a malformed response: {error}")
            self._fail(refusal, f"the body of the response is malformed: {error}")
            return
        if reader.complete:
            self._complete(reader, piece, reuse=reader.keep_alive)
        elif reader.status:
            self._partial(reader, piece)

    def eof_received(self) -> None:
        """Handle an orderly close by the upstream. The transport then closes its own side."""
        if self._reader is not None and self._reader.feed_eof():
            self._complete(self._reader, b"", reuse=False)
        else:
            self._ended()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the cause makes no difference
        """Handle a socket that was closed by either side."""
        self._ended()
        self._owner.on_socket_closed(self)

    # state changes

    def _complete(self, reader: ResponseReader, piece: bytes, *, reuse: bool) -> None:
        waiter, stream = self._waiter, self._stream
        self._reader = self._stream = self._waiter = None
        # The upstream would read the unwritten rest of the request as the start of the next one.
        if reuse and not self._transport.get_write_buffer_size() and not self._transport.is_closing():
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._busy = False
            self._owner.on_complete(self)
        else:
            self._close()
        if stream is not None:
            if piece:
                stream.push(piece)
            stream.finish()
        elif waiter is not None and not waiter.done():
            waiter.deliver(
                UpstreamResponse(reader.status, reader.headers, reader.content_length, piece, None)
            )

    def _partial(self, reader: ResponseReader, piece: bytes) -> None:
        stream = self._stream
        if stream is None:
            waiter = self._waiter
            if waiter is None or waiter.done():
                self._close()
                return
            self._stream = stream = BodyStream(self)
            if piece:
                stream.push(piece)
            waiter.deliver(
                UpstreamResponse(reader.status, reader.headers, reader.content_length, None, stream)
            )
        elif piece:
            stream.push(piece)
        if stream.size > _HIGH_WATER:
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
            # A slow client must not count as a silent upstream.
            self._deadline = math.inf
        else:
            self._expire_at(time.monotonic() + self._timeout)

    def _ended(self) -> None:
        if self._reader is None or self._reader.status:
            self._fail(None, "the body was cut off")
        elif self._reader.started:
            self._fail(
                BadGateway("Prometheus closed the connection in the middle of the response headers"), ""
            )
        else:
            self._fail(NoResponse(), "")

    def _fail(self, error: Exception | None, broken: str) -> None:
        """Close after a fault of the upstream; ``error`` is for the headers, ``broken`` for the body."""
        waiter, stream = self._waiter, self._stream
        self._close()
        if stream is not None:
            self._owner.on_cut_off()
            stream.finish(UpstreamBroken(broken))
        elif waiter is not None and not waiter.done() and error is not None:
            waiter.set_exception(error)

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        busy, self._busy = self._busy, False
        self._reader = self._stream = self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        self._owner.on_closed(self, busy=busy)

    # deadlines

    def _expire_at(self, deadline: float) -> None:
        self._deadline = deadline
        if deadline < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(deadline - time.monotonic(), self._on_timer)
            self._timer_due = deadline

    def _on_timer(self) -> None:
        self._timer, self._timer_due = None, math.inf
        if self._deadline > time.monotonic() + _TIMER_SLACK:
            if self._deadline < math.inf:
                self._expire_at(self._deadline)
            return
        self._fail(
            GatewayTimeout(f"Prometheus did not respond within {self._timeout:g} seconds"),
            f"no byte of the body arrived for {self._timeout:g} seconds",
        )
