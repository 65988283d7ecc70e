"""Encode ASGI's response messages as HTTP/1.1. Pure, no sockets."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.errors import Headers
    from chrysaetos.http.server.request_reader import Head
    from chrysaetos.http.types import Message

__all__ = ["ResponseWriter", "closing_response"]

_REASONS = {int(status): status.phrase for status in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {_REASONS.get(code, '')}\r\n".encode() for code in range(200, 600)}
_BODILESS = frozenset({204, 304})
_CLOSE = b"connection: close\r\n"


class ResponseWriter:
    """Encodes a response.

    The body must be exactly as long as the application's Content-Length. Without Content-Length the response
    is chunked; for HTTP/1.0 it ends when the connection is closed.

    Args:
        head: the request line and headers. ``keep_alive`` may become false until the headers are encoded.

    Attributes:
        begun: whether the application has sent the status.
        complete: whether the application has sent the whole body.
        ends_with_connection: whether only closing the connection ends the response.
    """

    __slots__ = ("_chunked", "_head", "_left", "_start", "begun", "complete", "ends_with_connection")

    def __init__(self, head: Head) -> None:
        self.begun = False
        self.complete = False
        self.ends_with_connection = False
        self._head = head
        self._start: Message | None = None
        self._chunked = False
        self._left = 0

    def encode(self, message: Message, date: bytes) -> list[bytes]:
        """Return the bytes to write for a message.

        The status and headers are written together with the first part of the body.

        Args:
            message: ``http.response.start`` or ``http.response.body``.
            date: the ``Date`` header line.

        Raises:
            RuntimeError: the message is not allowed now, or the body's length differs from Content-Length.
        """
        if message["type"] == "http.response.start":
            if self.begun:
                raise RuntimeError("http.response.start was sent twice")
            self.begun = True
            self._start = message
            return []
        if not self.begun or self.complete:
            raise RuntimeError(
                "http.response.body was sent before http.response.start, or after the end of the body"
            )
        body = message.get("body", b"")
        more = message.get("more_body", False)
        pieces = []
        start, self._start = self._start, None
        if start is not None:
            pieces.append(self._write_head(start, date, len(body) if not more else None))
        if self._head.method == "HEAD":
            body = b""
        if self._chunked:
            if body:
                pieces += (b"%x\r\n" % len(body), body, b"\r\n")
            if not more:
                pieces.append(b"0\r\n\r\n")
        else:
            pieces.append(body)
            if not self.ends_with_connection:
                self._left -= len(body)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("the length of the body differs from Content-Length")
        self.complete = not more
        return pieces

    def unfinished(self, date: bytes) -> list[bytes]:
        """Return the bytes to write before the connection is closed on an incomplete response."""
        start, self._start = self._start, None
        return [] if start is None else [self._write_head(start, date, None)]

    def _write_head(self, start: Message, date: bytes, whole: int | None) -> bytes:
        """Return the status line and headers; ``whole`` is the length of a body in a single message."""
        headers: Headers = start["headers"]
        status: int = start["status"]
        request = self._head
        lines = [_STATUS_LINES[status], date]
        length = None
        for name, value in headers:
            lines.append(b"%b: %b\r\n" % (name, value))
            if name == b"content-length":
                length = int(value)
        if request.method == "HEAD" or status in _BODILESS:
            pass
        elif length is not None:
            self._left = length
        elif whole is not None:
            self._left = whole
            lines.append(b"content-length: %d\r\n" % whole)
        elif request.version == "1.1":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self.ends_with_connection = True
        if not request.keep_alive:
            lines.append(_CLOSE)
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a response header contains control characters")
        return head + b"\r\n"


def closing_response(response: tuple[int, Headers, bytes], date: bytes) -> bytes:
    """Return a complete response that closes its connection.

    Args:
        response: status, headers and body.
        date: the ``Date`` header line.
    """
    status, headers, body = response
    fields = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([_STATUS_LINES[status], date, *fields, _CLOSE, b"\r\n", body])
