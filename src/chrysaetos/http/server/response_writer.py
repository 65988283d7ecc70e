"""Answers as they go to clients: ASGI's messages in, HTTP/1.1 out. Pure, no sockets."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.errors import Headers
    from chrysaetos.http.server.request_reader import Head
    from chrysaetos.http.types import Message

__all__ = ["Answer", "closing_answer"]

_REASONS = {int(status): status.phrase for status in HTTPStatus}
_STATUS_LINES = {code: f"HTTP/1.1 {code} {_REASONS.get(code, '')}\r\n".encode() for code in range(200, 600)}
_BODILESS = frozenset({204, 304})
_CLOSE = b"connection: close\r\n"


class Answer:
    """One answer.

    A length that the application states is kept to the byte. Without one the answer is chunked, for HTTP/1.0
    it ends with the connection.

    Args:
        head: of the request. Its ``keep_alive`` may become false until the answer's head is written.

    Attributes:
        begun: the application has said its status.
        complete: the application has ended it.
        ends_with_connection: nothing but the end of the connection tells where it ends.
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
        """What to write for a message. The head waits for the first piece of the body, so both go together.

        Args:
            message: ``http.response.start`` or ``http.response.body``.
            date: the header line ``Date``.

        Raises:
            RuntimeError: the message is out of turn, or the body is not as long as it was said to be.
        """
        if message["type"] == "http.response.start":
            if self.begun:
                raise RuntimeError("an answer began twice")
            self.begun = True
            self._start = message
            return []
        if not self.begun or self.complete:
            raise RuntimeError("a body came out of turn")
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
                    raise RuntimeError("a body is not as long as its Content-Length")
        self.complete = not more
        return pieces

    def unfinished(self, date: bytes) -> list[bytes]:
        """What to write before the connection is closed on an answer that is not complete."""
        start, self._start = self._start, None
        return [] if start is None else [self._write_head(start, date, None)]

    def _write_head(self, start: Message, date: bytes, whole: int | None) -> bytes:
        """The head; ``whole`` is the length of a body that comes in one piece."""
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
            raise RuntimeError("a header of the answer holds control characters")
        return head + b"\r\n"


def closing_answer(answer: tuple[int, Headers, bytes], date: bytes) -> bytes:
    """Return a whole answer that ends its connection.

    Args:
        answer: status, headers and body.
        date: the header line ``Date``.
    """
    status, headers, body = answer
    fields = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([_STATUS_LINES[status], date, *fields, _CLOSE, b"\r\n", body])
