"""A response of the upstream, and the buffer between its connection and the task that reads the body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from chrysaetos.errors import ChrysaetosError

if TYPE_CHECKING:
    from chrysaetos.errors import Headers

__all__ = ["BodyStream", "BodyTooLong", "Source", "UpstreamBroken", "UpstreamResponse"]


class UpstreamBroken(ChrysaetosError):
    """The body of a response was cut off.

    Its status may already have been sent to the client, so the connection to the client has to be aborted.
    """


class BodyTooLong(ChrysaetosError):
    """A body is longer than the limit of its reader.

    Args:
        limit: the limit in bytes.
        beginning: the part of it that has arrived.
    """

    def __init__(self, limit: int, beginning: bytes) -> None:
        super().__init__(f"it is longer than {limit} bytes")
        self.beginning = beginning


class Source(Protocol):
    """The connection that a body comes from."""

    def resume(self) -> None:
        """Continue reading: everything that had arrived was consumed."""

    def abort(self) -> None:
        """Close the connection: the rest of the body is not needed."""


class UpstreamResponse:
    """A response of the upstream: its status, its headers, and its body as the bytes that were sent.

    Iterate over it to read the body, once, in one task. The caller must read the body to its end or call
    ``abort``: until then the response holds a connection. Cancelling a task that waits for the body aborts
    it.

    A response that ends when the connection is closed (HTTP/1.0, or ``Connection: close`` without a length)
    cannot be told from one that was cut off (RFC 9112, 8). It counts as complete if the close was orderly.

    Attributes:
        status: 200 to 599.
        headers: end-to-end headers in their order, with names in lower case; hop-by-hop headers are removed.
        content_length: the upstream's Content-Length (for HEAD and 304, of the body that is not sent), or
            None.
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
        """The complete body if it has arrived and none of it was read, otherwise None."""
        return self._body if self._stream is None else self._stream.whole()

    def __aiter__(self) -> UpstreamResponse:
        return self

    async def __anext__(self) -> bytes:
        """Return all bytes of the body that have arrived, at least one.

        Raises:
            UpstreamBroken: the body was cut off, malformed or aborted, or paused for longer than the
                request's ``timeout``.
        """
        if self._stream is None:
            piece, self._body = self._body, None
        else:
            piece = await self._stream.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def read(self, limit: int) -> bytes:
        """Read the whole body, and release the connection.

        Args:
            limit: the limit in bytes. A longer body is given up as soon as that is known.

        Raises:
            BodyTooLong: the body is longer.
            UpstreamBroken: as for ``__anext__``.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in self:
                pieces.append(piece)
                size += len(piece)
                if max(size, self.content_length or 0) > limit:
                    raise BodyTooLong(limit, b"".join(pieces))
        finally:
            self.abort()
        return b"".join(pieces)

    def abort(self) -> None:
        """Close the connection, unless the body is already complete."""
        if self._stream is not None:
            self._stream.abort()


class BodyStream:
    """The buffer between a connection, which is read by callbacks, and the task that reads the body."""

    __slots__ = ("_connection", "_error", "_pieces", "_reader", "_taken", "size")

    def __init__(self, connection: Source) -> None:
        self.size = 0
        self._connection: Source | None = connection
        self._error: UpstreamBroken | None = None
        self._pieces: list[bytes] = []
        self._reader: asyncio.Future[None] | None = None
        self._taken = False

    def push(self, piece: bytes) -> None:
        """Add bytes that have arrived."""
        self._pieces.append(piece)
        self.size += len(piece)
        self._wake()

    def finish(self, error: UpstreamBroken | None = None) -> None:
        """End the body. An error discards the bytes that were not read."""
        self._connection = None
        self._error = error
        if error is not None:
            self._pieces.clear()
        self._wake()

    def whole(self) -> bytes | None:
        """Return the body if it is complete and none of it was read, otherwise None."""
        if self._connection is not None or self._taken or self._error is not None:
            return None
        return b"".join(self._pieces)

    async def read(self) -> bytes:
        """Return all bytes that have arrived; none at the end."""
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
        """Close the connection because the reader is gone."""
        if self._connection is not None:
            self._connection.abort()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
