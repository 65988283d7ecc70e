"""Encode requests to the upstream and parse its responses. Pure: bytes in, bytes out, no sockets.

What must never happen, and what prevents it:

- *A client injects a header or a request.* ``RequestEncoder`` rejects bytes that could end a line or change
  the framing.
- *Two parsers disagree about where a response ends* (RFC 9112, 6.3 and 11.2). ``ResponseReader`` requires
  that a response states its framing once, and fails at the first byte after its end.
- *A response that was cut off is taken for a complete one.* A response is complete only when its framing says
  so.

llhttp, through httptools, does the parsing. The reader adds checks that llhttp leaves to its user: it rejects
protocols other than HTTP/1.0 and 1.1, codings other than ``chunked`` and responses without framing, and
limits their size.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httptools

from chrysaetos.http.abnf import ADDRESS, NAME, TCHAR, VALUE, VCHAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.errors import Headers

__all__ = ["ProtocolError", "RequestEncoder", "ResponseReader"]

_TOKEN = re.compile(TCHAR + rb"+")

_VALUE = re.compile(VALUE)

_TARGET = re.compile(rb"/" + VCHAR + rb"*")
"""origin-form (RFC 9112, 3.2.1)."""

_PREFIX = re.compile(rb"(?:/(?:(?!\?)" + VCHAR + rb")*)?")
"""A path without a query."""

_HOST = re.compile(NAME + rb"+|" + ADDRESS + rb"+")

_METHODS = {
    name: name.encode() + b" " for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
}

_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
"""Methods that have a Content-Length even for an empty body (RFC 9110, 8.6)."""

_OWN = frozenset(
    b"host user-agent content-length transfer-encoding connection keep-alive proxy-connection te trailer"
    b" upgrade expect".split()
)
"""Request headers that only this module adds, or that would change how the connection works."""

_HOP_BY_HOP = frozenset(
    b"transfer-encoding connection keep-alive proxy-connection te trailer upgrade".split()
)
"""Response headers that apply only to this connection (RFC 9110, 7.6.1)."""

_MAX_HEADER_BYTES = 64 * 1024
"""Maximum length of all headers of a response, including those of interim responses and trailers."""

_EXCESS = "bytes follow the end of the response"
_TOO_LARGE = "the headers are too large"


class ProtocolError(Exception):
    """The upstream sent a malformed response. The message contains none of its bytes."""


class _HeadOnly(Exception):
    """Stops llhttp after the headers of a response to HEAD: it would wait for the body."""


class RequestEncoder:
    """Encodes requests to an upstream.

    Args:
        host: name or address of the upstream, for ``Host``; an IPv6 address without brackets.
        port: the port, for ``Host``; None for the scheme's default port.
        path_prefix: prefix of each target, with a leading and without a trailing slash; may be empty.
        user_agent: the value of ``User-Agent``.
        static_headers: headers of every request; a caller's header of the same name is removed.
        default_headers: headers of every request that has none of the same name.

    Raises:
        ValueError: an argument cannot be sent as HTTP.
    """

    __slots__ = ("_defaults", "_fixed", "_prefix", "_static")

    def __init__(
        self,
        *,
        host: str,
        port: int | None,
        path_prefix: str,
        user_agent: str,
        static_headers: Sequence[tuple[str, str]],
        default_headers: Sequence[tuple[str, str]],
    ) -> None:
        if not _HOST.fullmatch(host.encode()):
            raise ValueError("the upstream's host must be a name or an address")
        authority = f"[{host}]" if ":" in host else host
        if port is not None:
            authority = f"{authority}:{port}"
        self._prefix = path_prefix.rstrip("/").encode("ascii")
        if not _PREFIX.fullmatch(self._prefix):
            raise ValueError(
                "the path prefix must start with '/' and contain only visible ASCII without '?' and '#'"
            )
        start = f" HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n".encode("ascii")
        static = [_line(field) for field in static_headers]
        self._static = frozenset(name for name, _ in static)
        self._fixed = start + b"".join(line for _, line in static)
        self._defaults = tuple(_line(field) for field in default_headers)

    def encode(
        self, method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> bytes:
        """Return a complete request.

        Args:
            method: GET, HEAD, POST, PUT, DELETE, OPTIONS or PATCH.
            target: path and query, percent-encoded, starting with ``/``.
            headers: further headers, without those that this module adds.
            body: the content.

        Returns:
            The bytes of the request line, the headers and the body.

        Raises:
            ValueError: an argument could change the meaning of the request. The message contains no part of
                it.
        """
        start = _METHODS.get(method)
        if start is None:
            raise ValueError("the method is not supported")
        if not _TARGET.fullmatch(target):
            raise ValueError("the target must start with '/' and contain only visible ASCII without '#'")
        parts = [start, self._prefix, target, self._fixed]
        if self._defaults:
            sent = {name.lower() for name, _ in headers}
            parts += [line for name, line in self._defaults if name not in sent]
        static = self._static
        for name, value in headers:
            if name.lower() not in static:
                _check_field(name, value)
                parts += (name, b": ", value, b"\r\n")
        if body or method in _BODY_EXPECTED:
            parts.append(b"Content-Length: %d\r\n\r\n" % len(body))
            parts.append(body)
        else:
            parts.append(b"\r\n")
        return b"".join(parts)


def _line(field: tuple[str, str]) -> tuple[bytes, bytes]:
    """Return the name in lower case and the header line.

    Raises:
        ValueError: the header cannot be sent. The message has its name.
    """
    try:
        name, value = field[0].encode("ascii"), field[1].encode("latin-1")
        _check_field(name, value)
    except ValueError as error:
        raise ValueError(f"header {field[0]!r}: {error}") from error
    return name.lower(), b"%b: %b\r\n" % (name, value)


def _check_field(name: bytes, value: bytes) -> None:
    if name.lower() in _OWN:
        raise ValueError("a header of the request would change its framing or its routing")
    if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("a header of the request contains invalid characters")


class ResponseReader:
    """Parses the response to a request. Each request has a new reader, so no state outlives a response.

    Interim responses (1xx) are skipped, except 101, which is an error. Trailers are ignored (RFC 9110,
    6.5.1).

    Empty lines after a response, in the same read, are the only extra bytes that are not detected: llhttp
    skips them, as RFC 9112, 2.2 allows.

    Args:
        head_only: whether the request was HEAD.

    Attributes:
        status: the status; 0 until the final headers are read.
        headers: the end-to-end headers, with names in lower case and values without surrounding white space.
        content_length: the Content-Length, None without it.
        started: whether a byte has been read.
        complete: whether the response is complete.
        keep_alive: whether the connection can carry another request after a complete response.
    """

    __slots__ = (
        "_codings",
        "_connection",
        "_fault",
        "_fields",
        "_head_only",
        "_interim",
        "_overhead",
        "_parser",
        "_pieces",
        "_until_close",
        "complete",
        "content_length",
        "headers",
        "keep_alive",
        "started",
        "status",
    )

    def __init__(self, *, head_only: bool) -> None:
        self.status = 0
        self.headers: Headers = []
        self.content_length: int | None = None
        self.started = False
        self.complete = False
        self.keep_alive = False
        self._head_only = head_only
        self._fields = 0  # bytes of headers and trailers
        # Bytes since the last byte of the body: headers, chunk sizes, extensions, trailers.
        self._overhead = 0
        self._connection: bytes | None = None
        self._codings: bytes | None = None
        self._interim = False
        self._until_close = False
        self._fault: str | None = None
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> bytes:
        """Parse the next bytes of the connection.

        Args:
            data: at least one byte.

        Returns:
            The part of the body that they contain, decoded; may be empty.

        Raises:
            ProtocolError: the response is malformed, or bytes follow its end.
        """
        if not self.started:
            # llhttp would skip empty lines here, and accepts RTSP and ICE as HTTP.
            if data[0] != 0x48:
                raise ProtocolError("the response does not start with a status line")
            self.started = True
        elif self.complete:
            raise ProtocolError(_EXCESS)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not (self.complete and self._head_only):
                raise ProtocolError(self._fault or f"the response is not HTTP: {error}") from None
        pieces = self._pieces
        if self.complete:
            # The parser refers to this reader's methods: deleting it breaks the reference cycle.
            del self._parser
        if not pieces:
            self._overhead += len(data)
            if self._overhead > _MAX_HEADER_BYTES and not self.complete:
                raise ProtocolError(_TOO_LARGE)
            return b""
        self._overhead = 0
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def feed_eof(self) -> bool:
        """Handle the end of the connection.

        This completes only a response without other framing (RFC 9112, 6.3, rule 8). It is impossible to know
        whether such a response was cut off.

        Returns:
            Whether the response is complete.
        """
        if self._until_close and not self.complete:
            self.complete = True
            del self._parser
        return self.complete

    def on_message_begin(self) -> None:
        """Reject a second final response."""
        if self.complete:
            self._refuse(_EXCESS)

    def on_status(self, reason: bytes) -> None:
        """Check a part of the reason phrase: llhttp allows control characters in it."""
        if not _VALUE.fullmatch(reason):
            self._refuse("the status line contains control characters")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or count a trailer."""
        self._fields += len(name) + len(value) + 4
        if self._fields > _MAX_HEADER_BYTES:
            self._refuse(_TOO_LARGE)
        if self.status:
            return
        name = name.lower()
        value = value.rstrip(b" \t")
        if name == b"content-length":
            self.content_length = int(value)
        elif name in _HOP_BY_HOP:
            if name == b"connection":
                self._connection = value if self._connection is None else self._connection + b"," + value
            elif name == b"transfer-encoding":
                self._codings = value if self._codings is None else self._codings + b"," + value
            return
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Determine the framing of the response (RFC 9112, 6.3)."""
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"} or not 100 <= status <= 599:
            self._refuse("the status line has an unknown version or status")
        if status < 200:
            if status == 101:
                self._refuse("it switches to another protocol")
            self._interim = True
            self.headers.clear()
            self.content_length = self._connection = self._codings = None
            return
        options = self._connection_options()
        closes = version == "1.0" or b"close" in options
        if self._codings is not None and (
            version == "1.0" or self._codings.lower() != b"chunked" or self.content_length is not None
        ):
            self._refuse("the response has ambiguous or unknown framing")
        bodiless = self._head_only or status in {204, 304}
        if self._codings is None and self.content_length is None and not bodiless:
            if not closes:
                self._refuse("the response has neither Content-Length nor Transfer-Encoding")
            self._until_close = True
        self.status = status
        # The parser stops after a response to HEAD, so extra bytes would not be detected.
        self.keep_alive = not closes and not self._head_only
        if self._head_only:
            self.complete = True
            raise _HeadOnly

    def on_body(self, piece: bytes) -> None:
        """Add a part of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """End an interim or final response."""
        if self._interim:
            self._interim = False
        else:
            self.complete = True

    def _connection_options(self) -> frozenset[bytes]:
        """Return the options of ``Connection``, and remove the headers that they name."""
        if self._connection is None:
            return frozenset()
        options = frozenset(option.strip(b" \t").lower() for option in self._connection.split(b","))
        if options - {b"close", b"keep-alive"}:
            self.headers = [field for field in self.headers if field[0] not in options]
        return options

    def _refuse(self, fault: str) -> None:
        # httptools hides exceptions of its callbacks, so feed() raises the error again.
        self._fault = fault
        raise ProtocolError(fault)
