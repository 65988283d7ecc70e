"""One connection to the upstream, and what comes out of it.

Theory of operation. A connection is in one of four states:

    resting     in the pool; not one byte may arrive
    handed over a request has it and has not been written yet
    busy        one request is written, its answer is being read
    shut        closed for good; everything it held is given back

``resting → handed over → busy → resting`` is the way of a complete answer, and only of that. All else ends
in *shut*: an end or a byte out of turn, an answer that is malformed or cut, a deadline, a request that was
not wholly written when its answer ended, a caller who went away.

The transport is read by callbacks alone. An answer that arrives in one read costs one future, no task and no
queue. Deadlines share one timer for each connection: it is set again only when it would fire too late, or
fired too early, so that a request does not pay for one.
"""

from __future__ import annotations

import asyncio
import math
import select
from typing import Protocol, cast

from chrysaetos.errors import ApiError, BadGateway, GatewayTimeout
from chrysaetos.http.upstream.http1 import ProtocolError, ResponseReader
from chrysaetos.http.upstream.response import BodyStream, UpstreamBroken, UpstreamResponse

__all__ = ["Connection", "Owner", "Unanswered"]

_HIGH_WATER = 256 * 1024
"""Bytes of a body that wait for their reader before the transport is paused."""

_TIMER_SLACK = 0.001
"""Seconds; the resolution of the event loop's clock."""


class Unanswered(Exception):
    """The connection ended before the first byte of an answer."""


class Owner(Protocol):
    """What a connection tells its pool."""

    def on_free(self, connection: Connection) -> None:
        """The answer was complete and the connection can carry another request."""

    def on_shut(self, connection: Connection, *, busy: bool) -> None:
        """The connection is of no more use; ``busy``: it held a slot for a request."""

    def on_broken(self) -> None:
        """A body broke off behind its head."""

    def on_gone(self, connection: Connection) -> None:
        """The socket is closed."""


class Connection(asyncio.Protocol):
    """One connection, one request at a time.

    Args:
        owner: the pool.
        loop: the running loop.
        max_header_bytes: limit for the head of an answer.
    """

    __slots__ = (
        "_busy",
        "_deadline",
        "_loop",
        "_max_header_bytes",
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
        "shut",
    )

    _transport: asyncio.Transport

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop, max_header_bytes: int) -> None:
        self.shut = False
        self._owner = owner
        self._loop = loop
        self._max_header_bytes = max_header_bytes
        self._busy = False
        self._paused = False
        self._poll = select.poll()
        self._reader: ResponseReader | None = None
        self._stream: BodyStream | None = None
        self._waiter: asyncio.Future[UpstreamResponse] | None = None
        self._timeout = 0.0
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf

    # what the pool asks for

    def usable(self) -> bool:
        """Whether a request may be written.

        The kernel is asked, too: bytes or an end that the loop has not read yet would become the next
        request's answer.
        """
        return not self.shut and not self._poll.poll(0)

    def send(
        self, request: bytes, *, head_only: bool, deadline: float, timeout: float
    ) -> asyncio.Future[UpstreamResponse]:
        """Writes one request.

        Args:
            request: the whole of it.
            head_only: it is a HEAD.
            deadline: loop time by which the head of the answer must be there.
            timeout: seconds without a byte of the body after which it counts as broken.

        Returns:
            The answer, as soon as its head is read. It fails with ``Unanswered`` or an ``ApiError``.
        """
        self._busy = True
        self._reader = ResponseReader(head_only=head_only, max_header_bytes=self._max_header_bytes)
        self._timeout = timeout
        self._waiter = waiter = self._loop.create_future()
        self._expire_at(deadline)
        self._transport.write(request)
        return waiter

    def give_up(self, waiter: asyncio.Future[UpstreamResponse]) -> None:
        """The task that waited for this answer has gone."""
        if self._waiter is waiter:
            self.abort()

    def rest(self, seconds: float) -> None:
        """The connection is in the pool, for as many seconds at most."""
        self._expire_at(self._loop.time() + seconds)

    def abort(self, error: ApiError | None = None) -> None:
        """Closes at once, on our side's wish. A request in flight fails with the error, when one is given."""
        waiter, stream = self._waiter, self._stream
        self._shut()
        if stream is not None:
            stream.finish(UpstreamBroken("The body was given up."))
        elif error is not None and waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def resume(self) -> None:
        """The body's reader has taken all that was there."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self._expire_at(self._loop.time() + self._timeout)

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection, with its TLS where there is some, stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Bytes: a part of the answer, or something that was not asked for."""
        reader = self._reader
        if reader is None:
            self._shut()
            return
        try:
            piece = reader.feed(data)
        except ProtocolError as error:
            refusal = BadGateway(f"Prometheus cannot be understood: {error}.")
            self._fail(refusal, f"The body cannot be understood: {error}.")
            return
        if reader.complete:
            self._complete(reader, piece, reuse=reader.keep_alive)
        elif reader.status:
            self._partial(reader, piece)

    def eof_received(self) -> None:
        """The upstream has closed in order. The transport closes its own side."""
        if self._reader is not None and self._reader.feed_eof():
            self._complete(self._reader, b"", reuse=False)
        else:
            self._ended()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end counts, not its cause
        """The socket is closed, by either side."""
        self._ended()
        self._owner.on_gone(self)

    # what follows from it

    def _complete(self, reader: ResponseReader, piece: bytes, *, reuse: bool) -> None:
        waiter, stream = self._waiter, self._stream
        self._reader = self._stream = self._waiter = None
        # an unwritten rest of the request would be read by the upstream as the start of the next one
        if reuse and not self._transport.get_write_buffer_size() and not self._transport.is_closing():
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._busy = False
            self._owner.on_free(self)
        else:
            self._shut()
        if stream is not None:
            if piece:
                stream.push(piece)
            stream.finish()
        elif waiter is not None and not waiter.done():
            waiter.set_result(
                UpstreamResponse(reader.status, reader.headers, reader.content_length, piece, None)
            )

    def _partial(self, reader: ResponseReader, piece: bytes) -> None:
        stream = self._stream
        if stream is None:
            waiter = self._waiter
            if waiter is None or waiter.done():
                self._shut()
                return
            self._stream = stream = BodyStream(self)
            waiter.set_result(
                UpstreamResponse(reader.status, reader.headers, reader.content_length, None, stream)
            )
        if piece:
            stream.push(piece)
        if stream.size > _HIGH_WATER:
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
            # a slow reader is no fault of the upstream
            self._deadline = math.inf
        else:
            self._expire_at(self._loop.time() + self._timeout)

    def _ended(self) -> None:
        if self._reader is None or self._reader.status:
            self._fail(None, "The body was cut before its end.")
        elif self._reader.started:
            self._fail(BadGateway("Prometheus broke off in the middle of its answer's head."), "")
        else:
            self._fail(Unanswered(), "")

    def _fail(self, error: Exception | None, broken: str) -> None:
        """Shuts by the upstream's fault, and tells who waits: for the head (error) or the body (broken)."""
        waiter, stream = self._waiter, self._stream
        self._shut()
        if stream is not None:
            self._owner.on_broken()
            stream.finish(UpstreamBroken(broken))
        elif waiter is not None and not waiter.done() and error is not None:
            waiter.set_exception(error)

    def _shut(self) -> None:
        if self.shut:
            return
        self.shut = True
        busy, self._busy = self._busy, False
        self._reader = self._stream = self._waiter = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        self._owner.on_shut(self, busy=busy)

    # deadlines

    def _expire_at(self, deadline: float) -> None:
        self._deadline = deadline
        if deadline < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._on_timer)
            self._timer_due = deadline

    def _on_timer(self) -> None:
        self._timer, self._timer_due = None, math.inf
        if self._deadline > self._loop.time() + _TIMER_SLACK:
            if self._deadline < math.inf:
                self._expire_at(self._deadline)
            return
        self._fail(
            GatewayTimeout(f"Prometheus did not answer within {self._timeout:g} seconds."),
            f"No byte of the body came for {self._timeout:g} seconds.",
        )
