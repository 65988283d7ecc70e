"""HTTP/1.1 as the gateway speaks it to the upstream: pure, bytes in and bytes out, no sockets.

What must never happen, and what stands against it:

- *A client's bytes become protocol.* ``RequestEncoder`` refuses what could end a line or forge framing.
- *Two readings of where an answer ends* (RFC 9112, 6.3 and 11.2). ``ResponseReader`` accepts one framing per
  answer, stated once, and fails at the first byte behind the end.
- *An answer read as whole that was cut.* Nothing is complete until its framing says so.

llhttp, through httptools, does the parsing. The reader adds what llhttp leaves open: other protocols and
versions than HTTP/1.0 and 1.1, codings other than ``chunked``, answers without any framing, and size limits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httptools

from chrysaetos.http.abnf import ADDRESS, NAME, TCHAR, VALUE, VCHAR

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Headers", "ProtocolError", "RequestEncoder", "ResponseReader"]

Headers = list[tuple[bytes, bytes]]

_TOKEN = re.compile(TCHAR + rb"+")

_VALUE = re.compile(VALUE)

_TARGET = re.compile(rb"/" + VCHAR + rb"*")
"""origin-form (RFC 9112, 3.2.1)."""

_PREFIX = re.compile(rb"(?:/(?:(?!\?)" + VCHAR + rb")*)?")
"""A path alone: as a target, without a query."""

_HOST = re.compile(NAME + rb"+|" + ADDRESS + rb"+")

_METHODS = {
    name: name.encode() + b" " for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
}

_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})
"""Methods that state a Content-Length even for an empty body (RFC 9110, 8.6)."""

_OWN = frozenset(
    b"host user-agent content-length transfer-encoding connection keep-alive proxy-connection te trailer"
    b" upgrade expect".split()
)
"""Request fields that this module alone writes, or that would change how the connection works."""

_HOP_BY_HOP = frozenset(
    b"transfer-encoding connection keep-alive proxy-connection te trailer upgrade".split()
)
"""Response fields that end at this connection (RFC 9110, 7.6.1)."""

_EXCESS = "there is more behind the end of its answer"
_FLOOD = "the head of its answer is too large"


class ProtocolError(Exception):
    """The upstream sent something that is not one well-formed answer. The message holds none of its bytes."""


class _HeadOnly(Exception):
    """Ends the parsing of an answer to HEAD behind its head: llhttp would wait for the body."""


class RequestEncoder:
    """Writes requests to one upstream.

    Args:
        host: name or address of the upstream, as ``Host`` says it; an IPv6 address without brackets.
        port: its port; None leaves it out of ``Host`` (the scheme's own port).
        path_prefix: path in front of each target, with a leading and without a trailing slash; may be empty.
        user_agent: value of ``User-Agent``.
        static_headers: fields that each request carries; a caller's field of the same name is left out.
        default_headers: fields that each request carries that has none of the same name.

    Raises:
        ValueError: a part cannot be sent as HTTP.
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
        default_headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not _HOST.fullmatch(host.encode()):
            raise ValueError("The upstream's host must be a name or an address.")
        authority = f"[{host}]" if ":" in host else host
        if port is not None:
            authority = f"{authority}:{port}"
        self._prefix = path_prefix.rstrip("/").encode("ascii")
        if not _PREFIX.fullmatch(self._prefix):
            raise ValueError(
                "The path prefix must start with '/' and hold visible ASCII without '?' and '#'."
            )
        start = f" HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n".encode("ascii")
        static = [_line(field) for field in static_headers]
        self._static = frozenset(name for name, _ in static)
        self._fixed = start + b"".join(line for _, line in static)
        self._defaults = tuple(_line(field) for field in default_headers)

    def encode(
        self, method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> bytes:
        """One whole request.

        Args:
            method: one of the seven that carry a plain request.
            target: path and query, percent-encoded, from ``/``.
            headers: further fields; none of those that this module writes.
            body: the content; its length is stated.

        Returns:
            Head and body as one string of bytes.

        Raises:
            ValueError: a part could be read as something else than it is. The message holds none of it.
        """
        start = _METHODS.get(method)
        if start is None:
            raise ValueError("The method is not one that is sent upstream.")
        if not _TARGET.fullmatch(target):
            raise ValueError("The target must start with '/' and hold only visible ASCII without '#'.")
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
    """The name in lower case, and the line."""
    name, value = field[0].encode("ascii"), field[1].encode("latin-1")
    _check_field(name, value)
    return name.lower(), b"%b: %b\r\n" % (name, value)


def _check_field(name: bytes, value: bytes) -> None:
    if name.lower() in _OWN:
        raise ValueError("A header of the request would change its framing or its routing.")
    if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("A header of the request holds characters that no header can.")


class ResponseReader:
    """Reads the one answer to one request. A new reader for each: no state outlives an answer.

    Interim answers (1xx) are passed over, 101 is refused. Trailer fields are dropped (RFC 9110, 6.5.1).

    Empty lines behind an answer, in the same read, are the one excess that is not seen: llhttp skips them as
    RFC 9112, 2.2 allows, and they carry nothing.

    Args:
        head_only: the request was HEAD.
        max_header_bytes: limit for the heads, interim ones and trailers too, in bytes.

    Attributes:
        status: 0 until the final head is read.
        headers: the end-to-end fields, names in lower case, values without outer white space.
        content_length: as stated; None when it is not.
        started: a byte has been read.
        complete: the answer is whole.
        keep_alive: when complete: the connection may carry another request.
    """

    __slots__ = (
        "_codings",
        "_connection",
        "_fault",
        "_fields",
        "_head_only",
        "_interim",
        "_limit",
        "_parser",
        "_pieces",
        "_quiet",
        "_until_close",
        "complete",
        "content_length",
        "headers",
        "keep_alive",
        "started",
        "status",
    )

    def __init__(self, *, head_only: bool, max_header_bytes: int) -> None:
        self.status = 0
        self.headers: Headers = []
        self.content_length: int | None = None
        self.started = False
        self.complete = False
        self.keep_alive = False
        self._head_only = head_only
        self._limit = max_header_bytes
        self._fields = 0  # bytes of header and trailer fields
        self._quiet = 0  # bytes since the last one of the body: heads, chunk sizes, extensions, trailers
        self._connection: bytes | None = None
        self._codings: bytes | None = None
        self._interim = False
        self._until_close = False
        self._fault: str | None = None
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes from the connection.

        Args:
            data: at least one byte.

        Returns:
            What of the body they hold, without its chunked framing; may be empty.

        Raises:
            ProtocolError: this is not one well-formed answer, or there is more than one.
        """
        if not self.started:
            # llhttp would skip empty lines here, and takes RTSP and ICE for HTTP
            if data[0] != 0x48:
                raise ProtocolError("its answer does not begin with a status line")
            self.started = True
        elif self.complete:
            raise ProtocolError(_EXCESS)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not (self.complete and self._head_only):
                raise ProtocolError(self._fault or f"its answer is not HTTP: {error}") from None
        pieces = self._pieces
        if self.complete:
            # the parser holds this reader's methods: an answered request leaves no cycle behind
            del self._parser
        if not pieces:
            self._quiet += len(data)
            if self._quiet > self._limit and not self.complete:
                raise ProtocolError(_FLOOD)
            return b""
        self._quiet = 0
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def feed_eof(self) -> bool:
        """Takes the end of the connection.

        Only an answer that is framed by it ends here (RFC 9112, 6.3, rule 8). Whether such an answer is whole
        cannot be known.

        Returns:
            Whether the answer is complete.
        """
        if self._until_close and not self.complete:
            self.complete = True
            del self._parser
        return self.complete

    def on_message_begin(self) -> None:
        """A status line follows: after an interim answer, or where nothing may follow."""
        if self.complete:
            self._refuse(_EXCESS)

    def on_status(self, reason: bytes) -> None:
        """The reason phrase, in one or more pieces. llhttp lets control characters through."""
        if not _VALUE.fullmatch(reason):
            self._refuse("its status line holds control characters")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of a head, or of the trailer section."""
        self._fields += len(name) + len(value) + 4
        if self._fields > self._limit:
            self._refuse(_FLOOD)
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
        """Decides how the answer is framed (RFC 9112, 6.3)."""
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        if version not in {"1.1", "1.0"} or not 100 <= status <= 599:
            self._refuse("its status line has a version or a status that HTTP/1.1 does not know")
        if status < 200:
            if status == 101:
                self._refuse("it changed to another protocol")
            self._interim = True
            self.headers.clear()
            self.content_length = self._connection = self._codings = None
            return
        options = self._connection_options()
        closes = version == "1.0" or b"close" in options
        if self._codings is not None and (
            version == "1.0" or self._codings.lower() != b"chunked" or self.content_length is not None
        ):
            self._refuse("its answer is framed in more than one way, or in an unknown one")
        bodiless = self._head_only or status in {204, 304}
        if self._codings is None and self.content_length is None and not bodiless:
            if not closes:
                self._refuse("its answer does not say where it ends")
            self._until_close = True
        self.status = status
        # behind an answer to HEAD the parser is stopped, so that excess bytes would not be seen
        self.keep_alive = not closes and not self._head_only
        if self._head_only:
            self.complete = True
            raise _HeadOnly

    def on_body(self, piece: bytes) -> None:
        """A part of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The end of an answer, interim or final."""
        if self._interim:
            self._interim = False
        else:
            self.complete = True

    def _connection_options(self) -> frozenset[bytes]:
        """The options of ``Connection``; fields that they name end here too and are removed."""
        if self._connection is None:
            return frozenset()
        options = frozenset(option.strip(b" \t").lower() for option in self._connection.split(b","))
        if options - {b"close", b"keep-alive"}:
            self.headers = [field for field in self.headers if field[0] not in options]
        return options

    def _refuse(self, fault: str) -> None:
        # httptools hides what its callbacks raise: feed() raises it again by its name
        self._fault = fault
        raise ProtocolError(fault)
