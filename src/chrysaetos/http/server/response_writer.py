"""Encode responses as HTTP/1.1. Pure, no sockets."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.errors import Headers
    from chrysaetos.http.types import HttpRequest

__all__ = ["ResponseWriter", "closing_response"]

_REASONS = {int(status): status.phrase for status in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {_REASONS.get(code, '')}\r\n".encode() for code in range(200, 600)}
_BODILESS = frozenset({204, 304})
_CLOSE = (b"connection", b"close")


class ResponseWriter:
    """Encodes a response.

    The body must be exactly as long as the application's Content-Length. Without Content-Length the response
    is chunked; for HTTP/1.0 it ends when the connection is closed.

    Args:
        request: the request. ``keep_alive`` may become false until the headers are encoded.

    Attributes:
        begun: whether the application has set the status.
        complete: whether the application has sent the whole body.
        ends_with_connection: whether only closing the connection ends the response.
    """

    __slots__ = ("_chunked", "_left", "_request", "_start", "begun", "complete", "ends_with_connection")

    def __init__(self, request: HttpRequest) -> None:
        self.begun = False
        self.complete = False
        self.ends_with_connection = False
        self._request = request
        self._start: tuple[int, Headers] | None = None
        self._chunked = False
        self._left = 0

    def begin(self, status: int, headers: Headers) -> None:
        """Set the status and headers, which are written together with the first part of the body.

        Raises:
            RuntimeError: they were set before.
        """
        if self.begun:
            raise RuntimeError("a response was begun twice")
        self.begun = True
        self._start = (status, headers)

    def encode(self, body: bytes, date: bytes, *, more: bool = False, closing: bool = False) -> list[bytes]:
        """Return the bytes to write for a part of the body.

        Args:
            body: the part.
            date: the ``Date`` header line.
            more: whether further parts follow.
            closing: whether to close the connection after the response, if its headers can still say so.

        Raises:
            RuntimeError: the response was not begun or has ended, or the body's length differs from
                Content-Length.
        """
        if not self.begun or self.complete:
            raise RuntimeError("a body was sent before the status, or after the end of the body")
        pieces = []
        start, self._start = self._start, None
        if closing:
            self._request.keep_alive = False
        if start is not None:
            pieces.append(self._write_head(*start, date, None if more else len(body)))
        if self._request.method == "HEAD":
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
        return [] if start is None else [self._write_head(*start, date, None)]

    def _write_head(self, status: int, headers: Headers, date: bytes, whole: int | None) -> bytes:
        """Return the status line and headers; ``whole`` is the length of a body in a single part."""
        request = self._request
        headers = list(headers)
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
        if request.method == "HEAD" or status in _BODILESS:
            pass
        elif length is not None:
            self._left = length
        elif whole is not None:
            self._left = whole
            headers.append((b"content-length", b"%d" % whole))
        elif request.version == "1.1":
            self._chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        else:
            self.ends_with_connection = True
        if not request.keep_alive:
            headers.append(_CLOSE)
        return _head(status, headers, date)


def closing_response(response: tuple[int, Headers, bytes], date: bytes) -> bytes:
    """Return a complete response that closes its connection.

    Args:
        response: status, headers and body.
        date: the ``Date`` header line.
    """
    status, headers, body = response
    return _head(status, [*headers, _CLOSE], date) + body


def _head(status: int, headers: Headers, date: bytes) -> bytes:
    """Return the status line and the headers, with the empty line after them.

    Raises:
        RuntimeError: a header contains a character that could end it.
    """
    head = _STATUS_LINES[status] + date + b"\r\n".join([*map(b": ".join, headers), b"", b""])
    lines = 3 + len(headers)
    if len(head) - len(head.translate(None, b"\r\n\0")) != 2 * lines:
        raise RuntimeError("a response header contains control characters")
    return head
