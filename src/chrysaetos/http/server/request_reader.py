"""HTTP/1.1 as clients speak it to the gateway: pure, bytes in and requests out, no sockets.

What must never happen, and what stands against it:

- *Two readings of where a request ends* (RFC 9112, 11.2). Lines end with CRLF and nothing else. A request
  has one framing, stated once: one ``Content-Length`` of digits, or one ``Transfer-Encoding: chunked``, never
  both.
- *A name that somebody else reads differently.* No space before the colon, no folded lines, no control
  characters, one ``Host``. A field with an underscore in its name is dropped: CGI and WSGI make no difference
  between that and a hyphen.
- *A client that never comes to an end.* Each line, each head, each body and each trailer section has a limit.

Whatever is not exactly in the grammar is refused, and behind a refusal nothing more is read: where the next
request would begin is not known.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest, ContentTooLarge, ExpectationFailed, HeadersTooLarge, UriTooLong
from chrysaetos.http.abnf import ADDRESS, NAME, TCHAR, VALUE, VCHAR

if TYPE_CHECKING:
    from chrysaetos.http.server.limits import FramingLimits

__all__ = ["Head", "RequestReader"]

_REQUEST_LINE = re.compile(rb"(" + TCHAR + rb"{1,32}) (" + VCHAR + rb"+) HTTP/1\.([01])")
"""method SP request-target SP HTTP-version (RFC 9112, 3); the target as visible ASCII, without a fragment."""

_FIELD = re.compile(rb"(" + TCHAR + rb"+):[\t ]*(" + VALUE + rb")")
"""field-line without folding (RFC 9112, 5)."""

_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)
"""absolute-form (RFC 9112, 3.2.2)."""

_HOST = re.compile(rb"(?:" + NAME + rb"{1,255}|\[" + ADDRESS + rb"{2,45}\])(?::[0-9]{0,5})?")
"""uri-host [":" port] (RFC 9110, 7.2), names as they occur in DNS."""

_LENGTH = re.compile(rb"[0-9]{1,15}")

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e]*)?")
"""chunk-size [ chunk-ext ] (RFC 9112, 7.1). Extensions are not read, as 7.1.1 asks."""

_STRAY = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What no line may hold: a bare LF, a bare CR, other control characters."""

_MAX_CHUNK_LINE = 256
_MAX_TRAILER = 4096

_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
"""Fields that mean something to this module: each may be there once."""


class _Fields:
    """The fields of a head, and what they say about the message."""

    __slots__ = ("chunked", "close", "expects", "host", "length", "pairs")

    def __init__(self, lines: list[bytes]) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        single: dict[bytes, bytes] = {}
        options: set[bytes] = set()
        for line in lines:
            match = _FIELD.fullmatch(line)
            if match is None:
                raise BadRequest("a header field is malformed")
            name, value = match.groups()
            name = name.lower()
            value = value.rstrip(b"\t ")
            if name in _SINGLE:
                if name in single:
                    raise BadRequest(f"{name.decode('ascii')} is there twice")
                single[name] = value
            elif name == b"connection":
                options.update(option.strip(b"\t ").lower() for option in value.split(b","))
            if b"_" not in name:
                self.pairs.append((name, value))
        self.host = single.get(b"host")
        self.close = b"close" in options
        self.expects = self._expects(single)
        self.chunked, self.length = self._framing(single)
        if self.host is not None and not _HOST.fullmatch(self.host):
            raise BadRequest("Host is malformed")

    @staticmethod
    def _expects(single: dict[bytes, bytes]) -> bool:
        expectation = single.get(b"expect")
        if expectation is not None and expectation.lower() != b"100-continue":
            raise ExpectationFailed("the only expectation that can be met is 100-continue")
        return expectation is not None

    @staticmethod
    def _framing(single: dict[bytes, bytes]) -> tuple[bool, int]:
        """Whether the body is chunked, and its length otherwise (RFC 9112, 6.3)."""
        length, coding = single.get(b"content-length"), single.get(b"transfer-encoding")
        if coding is not None:
            if length is not None:
                raise BadRequest("Content-Length and Transfer-Encoding are both there")
            if coding.lower() != b"chunked":
                raise BadRequest("the only transfer coding that is understood is chunked")
            return True, 0
        if length is None:
            return False, 0
        if not _LENGTH.fullmatch(length):
            raise BadRequest("Content-Length is not a number")
        return False, int(length)


class Head:
    """The head of a request.

    Attributes:
        method: its method; any token.
        path: its path as it was sent; ``*`` for ``OPTIONS *``.
        query: what follows the first question mark.
        version: "1.0" or "1.1".
        headers: names in lower case, and values, in their order. Not to be changed.
        keep_alive: whether the connection may carry another request.
        expects: whether the client waits for ``100 Continue``.
    """

    __slots__ = ("expects", "headers", "keep_alive", "method", "path", "query", "version")

    def __init__(self, method: str, target: bytes, version: str, fields: _Fields) -> None:
        self.method = method
        self.path, _, self.query = target.partition(b"?")
        self.version = version
        self.headers = fields.pairs
        # HTTP/1.0 has no way to end a body whose length is not known but to close.
        self.keep_alive = version == "1.1" and not fields.close
        self.expects = fields.expects and version == "1.1"


class _Part(Enum):
    """What of a request comes next."""

    HEAD = 1
    LENGTH = 2
    CHUNK_SIZE = 3
    CHUNK = 4
    CHUNK_END = 5
    TRAILER = 6


_LINES = {_Part.CHUNK_SIZE: _MAX_CHUNK_LINE, _Part.CHUNK_END: 0, _Part.TRAILER: _MAX_TRAILER}
"""Bytes that a line of the chunked framing may have."""


class RequestReader:
    """Reads the requests of one connection: ``head``, then ``body`` until it is complete, and so on.

    Behind an error it is of no more use.

    Args:
        limits: how large they may be.

    Attributes:
        complete: no request is begun, or the body of the current one was taken to its end.
    """

    __slots__ = (
        "_buffer",
        "_fields",
        "_left",
        "_limits",
        "_line_checked",
        "_part",
        "_quiet",
        "_skipped",
        "_sound",
        "_total",
    )

    def __init__(self, limits: FramingLimits) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._part = _Part.HEAD
        self._skipped = False  # an empty line in front of the head was passed over
        self._line_checked = False
        self._sound = 0  # bytes of the buffer that were looked at and do not end what is waited for
        self._left = 0  # bytes of the body, or of the chunk, that are still to come
        self._total = 0  # bytes of the body so far
        self._quiet = 0  # bytes of trailer fields
        self._fields: tuple[bytes, _Fields] | None = None

    @property
    def complete(self) -> bool:
        """See above."""
        return self._part is _Part.HEAD

    @property
    def waiting(self) -> int:
        """Bytes that were fed and are not read yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes from the connection."""
        self._buffer += data

    def drop(self) -> None:
        """Forgets what was fed and is not read. Behind this the reader is of no more use."""
        self._buffer.clear()

    def head(self) -> Head | None:
        """The head of the next request; None: more bytes are needed.

        Raises:
            ApiError: it is refused.
        """
        buffer = self._buffer
        # RFC 9112, 2.2: at least one empty line in front of a request line is passed over.
        if not self._skipped and buffer.startswith(b"\r\n"):
            del buffer[:2]
            self._skipped = True
            self._sound = 0
        end = buffer.find(b"\r\n\r\n", max(0, self._sound - 3))
        if end < 0:
            self._check_part_of_head()
            return None
        block = bytes(buffer[:end])
        del buffer[: end + 4]
        self._skipped = self._line_checked = False
        self._sound = 0
        line, _, rest = block.partition(b"\r\n")
        method, target, version = self._request_line(line)
        fields = self._read_fields(rest)
        head = Head(method, _origin_form(method, target, fields.host), version, fields)
        if fields.host is None and version == "1.1":
            raise BadRequest("Host is missing")
        if fields.chunked and version == "1.0":
            raise BadRequest("HTTP/1.0 has no transfer coding")
        self._begin_body(fields)
        return head

    def body(self) -> bytes:
        """What of the body has arrived, without its chunked framing. Afterwards see ``complete``.

        Raises:
            ApiError: it is refused.
        """
        pieces: list[bytes] = []
        while self._part is not _Part.HEAD and self._step(pieces):
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # the head

    def _check_part_of_head(self) -> None:
        """Refuses early what would not become a head, and what goes on for too long."""
        buffer, limits = self._buffer, self._limits
        if _STRAY.search(buffer, max(0, self._sound - 1)):
            raise BadRequest("lines end with CR and LF, and hold no control characters")
        if not self._line_checked:
            end = buffer.find(b"\r\n", max(0, self._sound - 1))
            if end >= 0:
                self._request_line(bytes(buffer[:end]))
                self._line_checked = True
            elif len(buffer) > limits.line:
                raise UriTooLong(f"the request line is longer than {limits.line} bytes")
        if len(buffer) > limits.line + limits.fields:
            raise HeadersTooLarge(f"the header fields are longer than {limits.fields} bytes")
        self._sound = len(buffer)

    def _request_line(self, line: bytes) -> tuple[str, bytes, str]:
        if len(line) > self._limits.line:
            raise UriTooLong(f"the request line is longer than {self._limits.line} bytes")
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise BadRequest("the request line is not one of HTTP/1.1")
        method, target, minor = match.groups()
        return method.decode("ascii"), target, "1.1" if minor == b"1" else "1.0"

    def _read_fields(self, block: bytes) -> _Fields:
        # A client sends the same fields again and again.
        if self._fields is not None and self._fields[0] == block:
            return self._fields[1]
        if len(block) > self._limits.fields:
            raise HeadersTooLarge(f"the header fields are longer than {self._limits.fields} bytes")
        lines = block.split(b"\r\n") if block else []
        if len(lines) > self._limits.count:
            raise HeadersTooLarge(f"there are more than {self._limits.count} header fields")
        fields = _Fields(lines)
        self._fields = (block, fields)
        return fields

    # the body

    def _begin_body(self, fields: _Fields) -> None:
        if fields.length > self._limits.body:
            raise self._too_large()
        self._total = self._quiet = 0
        self._left = fields.length
        if fields.chunked:
            self._part = _Part.CHUNK_SIZE
        elif fields.length:
            self._part = _Part.LENGTH

    def _step(self, pieces: list[bytes]) -> bool:
        """Reads one part of the body. Whether there may be more to read."""
        if self._part is _Part.LENGTH or self._part is _Part.CHUNK:
            return self._take(pieces)
        line = self._line()
        if line is None:
            return False
        if self._part is _Part.CHUNK_SIZE:
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise BadRequest("the size of a chunk is malformed")
            self._left = int(match[1], 16)
            self._total += self._left
            if self._total > self._limits.body:
                raise self._too_large()
            self._part = _Part.CHUNK if self._left else _Part.TRAILER
        elif self._part is _Part.CHUNK_END:
            if line:
                raise BadRequest("a chunk is longer than its size")
            self._part = _Part.CHUNK_SIZE
        elif line:
            # Trailer fields are dropped (RFC 9110, 6.5.1).
            self._quiet += len(line)
            if self._quiet > _MAX_TRAILER:
                raise HeadersTooLarge(f"the trailer fields are longer than {_MAX_TRAILER} bytes")
            if not _FIELD.fullmatch(line):
                raise BadRequest("a trailer field is malformed")
        else:
            self._part = _Part.HEAD
        return True

    def _take(self, pieces: list[bytes]) -> bool:
        buffer = self._buffer
        piece = bytes(buffer[: self._left])
        del buffer[: len(piece)]
        self._left -= len(piece)
        if piece:
            pieces.append(piece)
        if self._left:
            return False
        self._part = _Part.HEAD if self._part is _Part.LENGTH else _Part.CHUNK_END
        return True

    def _line(self) -> bytes | None:
        """The next line of the chunked framing; None: more bytes are needed."""
        buffer = self._buffer
        limit = _LINES[self._part]
        end = buffer.find(b"\r\n", 0, limit + 2)
        if end < 0:
            if len(buffer) > limit + 1 or _STRAY.search(buffer):
                raise BadRequest("the chunked framing of the body is malformed")
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    def _too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"the body is longer than {self._limits.body} bytes")


def _origin_form(method: str, target: bytes, host: bytes | None) -> bytes:
    """The target as path and query (RFC 9112, 3.2).

    The gateway has one name for itself, the one in ``Host``. A target that says another one was meant for
    another server, or to deceive this one.
    """
    if target.startswith(b"/") or (target == b"*" and method == "OPTIONS"):
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("the target of the request is not a path")
    authority, path = match.groups()
    if host is None or authority.lower() != host.lower():
        raise BadRequest("the target of the request and Host name two servers")
    return path if path.startswith(b"/") else b"/" + path
