"""An answer of the upstream, and the buffer between its connection and the one task that takes its body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from chrysaetos.errors import ChrysaetosError

if TYPE_CHECKING:
    from chrysaetos.http.upstream.http1 import Headers

__all__ = ["BodyStream", "Source", "UpstreamBroken", "UpstreamResponse"]


class UpstreamBroken(ChrysaetosError):
    """A body ended before its end.

    Its status may have been passed on already: this is no answer, the transfer itself has to be broken off.
    """


class Source(Protocol):
    """Where a body comes from."""

    def resume(self) -> None:
        """All that had arrived was taken."""

    def abort(self) -> None:
        """Nothing more is wanted."""


class UpstreamResponse:
    """An answer of the upstream: its head, and its body as the bytes that were sent.

    Iterate over it for the body, once, in one task. Whoever takes a response reads it to its end or calls
    ``abort``: until then it holds a connection. Cancelling a task that waits for the body aborts.

    An answer that is ended by closing the connection (HTTP/1.0, or ``Connection: close`` without a length)
    cannot be told from a cut one (RFC 9112, 8): it counts as whole when the connection was closed in order.

    Attributes:
        status: 200 to 599.
        headers: end-to-end fields, names in lower case, in their order; hop-by-hop fields are left out.
        content_length: as the upstream stated it (for HEAD and 304: of the body that was not sent), or None.
    """

    __slots__ = ("_body", "_stream", "content_length", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: Headers,
        content_length: int | None,
        body: bytes | None,
        stream: BodyStream | None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.content_length = content_length
        self._body = body
        self._stream = stream

    @property
    def body(self) -> bytes | None:
        """The whole body, if it has arrived before any of it was taken; None: iterate."""
        return self._body if self._stream is None else self._stream.whole()

    def __aiter__(self) -> UpstreamResponse:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the body, never empty; all that has arrived.

        Raises:
            UpstreamBroken: the body was cut, malformed or given up, or silent for the request's ``timeout``.
        """
        if self._stream is None:
            piece, self._body = self._body, None
        else:
            piece = await self._stream.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    def abort(self) -> None:
        """Gives the body up: what is still open is closed. Nothing happens when it was already complete."""
        if self._stream is not None:
            self._stream.abort()


class BodyStream:
    """The buffer between a connection that is read by callbacks and the one task that takes the body."""

    __slots__ = ("_connection", "_error", "_pieces", "_reader", "_taken", "size")

    def __init__(self, connection: Source) -> None:
        self.size = 0
        self._connection: Source | None = connection
        self._error: UpstreamBroken | None = None
        self._pieces: list[bytes] = []
        self._reader: asyncio.Future[None] | None = None
        self._taken = False

    def push(self, piece: bytes) -> None:
        """Bytes have arrived."""
        self._pieces.append(piece)
        self.size += len(piece)
        self._wake()

    def finish(self, error: UpstreamBroken | None = None) -> None:
        """Nothing more will arrive. After an error what has not been taken is dropped."""
        self._connection = None
        self._error = error
        if error is not None:
            self._pieces.clear()
        self._wake()

    def whole(self) -> bytes | None:
        """The body, if it is complete and nothing has been taken."""
        if self._connection is not None or self._taken or self._error is not None:
            return None
        return b"".join(self._pieces)

    async def read(self) -> bytes:
        """All that has arrived; empty at the end."""
        self._taken = True
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._connection is None:
                return b""
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            except asyncio.CancelledError:
                self.abort()
                raise
            finally:
                self._reader = None
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        if self._connection is not None:
            self._connection.resume()
        return piece

    def abort(self) -> None:
        """The reader has gone."""
        if self._connection is not None:
            self._connection.abort()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
