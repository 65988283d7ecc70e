"""Parse HTTP/1.1 requests. Pure: bytes in, requests out, no sockets.

What must never happen, and what prevents it:

- *Two parsers disagree about where a request ends* (RFC 9112, 11.2). Lines end with CRLF only. A request
  states its framing once: one ``Content-Length`` of digits or one ``Transfer-Encoding: chunked``, never both.
- *Two parsers disagree about a header.* Spaces before the colon, folded lines, control characters and a
  second ``Host`` are rejected. A header with an underscore in its name is removed, because CGI and WSGI do
  not distinguish it from one with a hyphen.
- *A request never ends.* The request line, the headers, the body and the trailers have limits.

Anything that does not match the grammar exactly is rejected. After that nothing more is read, because the
start of the next request is unknown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest, ContentTooLarge, ExpectationFailed, HeadersTooLarge, UriTooLong
from chrysaetos.headers import KeptHeaders
from chrysaetos.http.abnf import ADDRESS, NAME, TCHAR, VALUE, VCHAR
from chrysaetos.http.types import HttpRequest
from chrysaetos.lru import Lru

if TYPE_CHECKING:
    from chrysaetos.http.server.limits import FramingLimits

__all__ = ["HeaderCache", "RequestReader"]

_REQUEST_LINE = re.compile(rb"(" + TCHAR + rb"{1,32}) (" + VCHAR + rb"+) HTTP/1\.([01])")
"""method SP request-target SP HTTP-version (RFC 9112, 3); the target as visible ASCII, without a fragment."""

_FIELD = re.compile(rb"(" + TCHAR + rb"+):[\t ]*+(" + VALUE + rb")")
"""field-line without folding (RFC 9112, 5).

Spaces belong to VALUE too, so ``*+`` does not give them back: 60,000 of them before a control character would
take 15 s.
"""

_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)
"""absolute-form (RFC 9112, 3.2.2)."""

_HOST = re.compile(rb"(?:" + NAME + rb"{1,255}|\[" + ADDRESS + rb"{2,45}\])(?::[0-9]{0,5})?")
"""uri-host [":" port] (RFC 9110, 7.2), with the characters that DNS allows."""

_LENGTH = re.compile(rb"[0-9]{1,15}")

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e]*)?")
"""chunk-size [ chunk-ext ] (RFC 9112, 7.1). Extensions are ignored, as 7.1.1 requires."""

_FORBIDDEN = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Bytes that no line may contain: a bare LF, a bare CR, other control characters."""

_MAX_CHUNK_LINE = 256
_FEW_CHUNKS = 1000
_USUAL_CHUNK = 64
"""A body has at most ``_FEW_CHUNKS``, and one more for each so many bytes: each chunk takes 5 µs."""
_MAX_TRAILER = 4096

_SINGLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
"""Headers that this module interprets. Each may occur once."""


class _Fields:
    """The headers of a request, and its framing."""

    __slots__ = ("chunked", "close", "expects", "host", "length", "pairs")

    def __init__(self, lines: list[bytes]) -> None:
        self.pairs = KeptHeaders()
        single: dict[bytes, bytes] = {}
        options: set[bytes] = set()
        for line in lines:
            match = _FIELD.fullmatch(line)
            if match is None:
                raise BadRequest("a header is malformed")
            name, value = match.groups()
            name = name.lower()
            value = value.rstrip(b"\t ")
            if name in _SINGLE:
                if name in single:
                    raise BadRequest(f"duplicate header {name.decode('ascii')}")
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
            raise ExpectationFailed("Expect must be 100-continue")
        return expectation is not None

    @staticmethod
    def _framing(single: dict[bytes, bytes]) -> tuple[bool, int]:
        """Return whether the body is chunked, and otherwise its length (RFC 9112, 6.3)."""
        length, coding = single.get(b"content-length"), single.get(b"transfer-encoding")
        if coding is not None:
            if length is not None:
                raise BadRequest("the request has both Content-Length and Transfer-Encoding")
            if coding.lower() != b"chunked":
                raise BadRequest("Transfer-Encoding must be chunked")
            return True, 0
        if length is None:
            return False, 0
        if not _LENGTH.fullmatch(length):
            raise BadRequest("Content-Length is not a number")
        return False, int(length)


class HeaderCache(Lru[bytes, _Fields]):
    """The headers of the last requests to a server, parsed.

    A client repeats its headers with each request, and a load balancer sends those of many clients over one
    connection.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_MAX_KEPT, weigh=_size, max_weight=_MAX_KEPT_BYTES)


def _size(block: bytes, fields: _Fields) -> int:
    """Return about how many bytes headers take, with what is derived from them."""
    return 1000 + 4 * len(block) + 150 * len(fields.pairs)


_HEAD, _WHOLE_BODY, _CHUNK_SIZE, _CHUNK_DATA, _CHUNK_END, _TRAILER = range(6)
"""The parts of a request, of which one comes next."""
_MAX_KEPT = 10_000
_MAX_KEPT_BYTES = 16 * 1024 * 1024
_MAX_KEPT_LENGTH = 8 * 1024
"""Longer headers are not kept, so that a few requests cannot displace those of thousands of clients."""
_MAX_PATH = 8 * 1024
"""Maximum length of a path. Queries may be longer."""
_LINES = {_CHUNK_SIZE: _MAX_CHUNK_LINE, _CHUNK_END: 0, _TRAILER: _MAX_TRAILER}
"""Maximum length of the lines of a chunked body."""


class RequestReader:
    """Parses the requests of a connection: ``head``, then ``body`` until it is complete, and so on.

    It cannot be used any more after an error.

    Args:
        limits: the limits on the size of a request.
        kept: the headers that the server keeps, of requests with the same limits.

    Attributes:
        complete: whether no request has begun, or the body of the current one was read to its end.
    """

    __slots__ = (
        "_buffer",
        "_chunks",
        "_kept",
        "_left",
        "_limits",
        "_line_checked",
        "_part",
        "_searched",
        "_skipped",
        "_total",
        "_trailer_bytes",
    )

    def __init__(self, limits: FramingLimits, kept: HeaderCache) -> None:
        self._limits = limits
        self._kept = kept
        self._buffer = bytearray()
        self._part = _HEAD
        self._skipped = False  # whether an empty line before the request line was skipped
        self._line_checked = False
        self._searched = 0  # bytes of the buffer that were already searched for the end of the headers
        self._left = 0  # remaining bytes of the body or of the chunk
        self._total = 0  # bytes of the body so far
        self._chunks = 0
        self._trailer_bytes = 0  # bytes of trailers

    @property
    def complete(self) -> bool:
        """Whether no request has begun, or the body of the current one was read to its end."""
        return self._part == _HEAD

    @property
    def waiting(self) -> int:
        """The number of bytes that were fed and not parsed yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the connection."""
        self._buffer += data

    def drop(self) -> None:
        """Discard the bytes that were not parsed. The reader cannot be used afterwards."""
        self._buffer.clear()

    def head(self) -> HttpRequest | None:
        """Return the head of the next request, or None if more bytes are needed.

        Raises:
            ApiError: the request is rejected.
        """
        buffer = self._buffer
        # RFC 9112, 2.2: at least one empty line before a request line is ignored.
        if not self._skipped and buffer.startswith(b"\r\n"):
            del buffer[:2]
            self._skipped = True
            self._searched = 0
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._check_part_of_head()
            return None
        block = bytes(buffer[:end])
        del buffer[: end + 4]
        self._skipped = self._line_checked = False
        self._searched = 0
        line, _, rest = block.partition(b"\r\n")
        method, target, version = self._request_line(line)
        fields = self._read_fields(rest)
        # HTTP/1.0 can end a body of unknown length only by closing the connection.
        modern = version == "1.1"
        request = HttpRequest(
            method,
            _origin_form(method, target, fields.host),
            fields.pairs,
            version=version,
            keep_alive=modern and not fields.close,
            expects=modern and fields.expects,
        )
        if fields.host is None and version == "1.1":
            raise BadRequest("Host is missing")
        if fields.chunked and version == "1.0":
            raise BadRequest("HTTP/1.0 does not allow Transfer-Encoding")
        self._begin_body(fields)
        return request

    def body(self) -> bytes:
        """Return the bytes of the body that have arrived, decoded; ``complete`` says whether it has ended.

        Raises:
            ApiError: the request is rejected.
        """
        pieces: list[bytes] = []
        while self._part != _HEAD and self._step(pieces):
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # the head

    def _check_part_of_head(self) -> None:
        """Reject incomplete headers that are already malformed or too long."""
        buffer, limits = self._buffer, self._limits
        if _FORBIDDEN.search(buffer, max(0, self._searched - 1)):
            raise BadRequest("lines must end with CRLF and must not contain control characters")
        if not self._line_checked:
            end = buffer.find(b"\r\n", max(0, self._searched - 1))
            if end >= 0:
                self._request_line(bytes(buffer[:end]))
                self._line_checked = True
            elif len(buffer) > limits.line:
                raise UriTooLong(f"the request line is longer than {limits.line} bytes")
        if len(buffer) > limits.line + limits.fields:
            raise HeadersTooLarge(f"the headers are longer than {limits.fields} bytes")
        self._searched = len(buffer)

    def _request_line(self, line: bytes) -> tuple[str, bytes, str]:
        if len(line) > self._limits.line:
            raise UriTooLong(f"the request line is longer than {self._limits.line} bytes")
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise BadRequest("the request line is malformed")
        method, target, minor = match.groups()
        if len(target.partition(b"?")[0]) > _MAX_PATH:
            raise UriTooLong(f"the path is longer than {_MAX_PATH} bytes")
        return method.decode("ascii"), target, "1.1" if minor == b"1" else "1.0"

    def _read_fields(self, block: bytes) -> _Fields:
        fields = self._kept.get(block)
        if fields is not None:
            return fields
        if len(block) > self._limits.fields:
            raise HeadersTooLarge(f"the headers are longer than {self._limits.fields} bytes")
        lines = block.split(b"\r\n") if block else []
        if len(lines) > self._limits.count:
            raise HeadersTooLarge(f"the request has more than {self._limits.count} headers")
        fields = _Fields(lines)
        if len(block) <= _MAX_KEPT_LENGTH:
            self._kept.put(block, fields)
        return fields

    # the body

    def _begin_body(self, fields: _Fields) -> None:
        if fields.length > self._limits.body:
            raise self._too_large()
        self._total = self._chunks = self._trailer_bytes = 0
        self._left = fields.length
        if fields.chunked:
            self._part = _CHUNK_SIZE
        elif fields.length:
            self._part = _WHOLE_BODY

    def _step(self, pieces: list[bytes]) -> bool:
        """Parse one part of the body; return whether the buffer may contain another."""
        if self._part in {_WHOLE_BODY, _CHUNK_DATA}:
            return self._take(pieces)
        line = self._line()
        if line is None:
            return False
        if self._part == _CHUNK_SIZE:
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise BadRequest("the size of a chunk is malformed")
            self._left = int(match[1], 16)
            self._total += self._left
            if self._total > self._limits.body:
                raise self._too_large()
            self._chunks += 1
            if self._chunks > _FEW_CHUNKS + self._total // _USUAL_CHUNK:
                raise BadRequest("the body has too many small chunks: send larger ones")
            self._part = _CHUNK_DATA if self._left else _TRAILER
        elif self._part == _CHUNK_END:
            # The line is empty: more bytes than _LINES allows are refused.
            self._part = _CHUNK_SIZE
        elif line:
            # Trailers are ignored (RFC 9110, 6.5.1).
            self._trailer_bytes += len(line)
            if self._trailer_bytes > _MAX_TRAILER:
                raise HeadersTooLarge(f"the trailers are longer than {_MAX_TRAILER} bytes")
            if not _FIELD.fullmatch(line):
                raise BadRequest("a trailer is malformed")
        else:
            self._part = _HEAD
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
        self._part = _HEAD if self._part == _WHOLE_BODY else _CHUNK_END
        return True

    def _line(self) -> bytes | None:
        """Return the next line of a chunked body, or None if more bytes are needed."""
        buffer = self._buffer
        limit = _LINES[self._part]
        end = buffer.find(b"\r\n", 0, limit + 2)
        if end < 0:
            if len(buffer) > limit + 1 or _FORBIDDEN.search(buffer):
                raise BadRequest("the chunked body is malformed")
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    def _too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"the body is longer than {self._limits.body} bytes")


def _origin_form(method: str, target: bytes, host: bytes | None) -> bytes:
    """Return the target as path and query (RFC 9112, 3.2).

    The host of an absolute target must equal ``Host``: otherwise the request is meant for another server, or
    is an attack.
    """
    if target.startswith(b"/") or (target == b"*" and method == "OPTIONS"):
        return target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("the request target is not a path")
    authority, path = match.groups()
    if host is None or authority.lower() != host.lower():
        raise BadRequest("the request target and Host name different servers")
    return path if path.startswith(b"/") else b"/" + path
