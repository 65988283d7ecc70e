"""A request with its limits, and its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest, ContentTooLarge, NotFound, UnsupportedMediaType, UriTooLong

if TYPE_CHECKING:
    from typing import Protocol

    from chrysaetos.http.types import Message, Receive

    class RequestLimits(Protocol):
        """Limits on a request."""

        @property
        def path_prefix(self) -> str:
            """The prefix that is removed from paths."""
            ...

        @property
        def max_url_bytes(self) -> int:
            """Maximum length of a URL with its query."""
            ...

        @property
        def max_body_bytes(self) -> int:
            """Maximum length of a body."""
            ...


__all__ = ["ClientDisconnected", "Request"]

_FORM = b"application/x-www-form-urlencoded"
_PROTOBUF = b"application/x-protobuf"
_HEALTH = frozenset({"/healthcheck", "/-/healthy", "/-/ready"})
"""Paths of load balancers' checks, which are served without the prefix as well."""


class ClientDisconnected(Exception):
    """The client closed its connection before its request was complete."""


class Request:
    """A request, before its caller is identified.

    Args:
        scope: ASGI's connection scope.
        options: the limits.

    Attributes:
        method: the method.
        path: the path as sent, without the configured prefix.
        query: the query of the URL, as sent.
        headers: names in lower case, and values, in the order of the request.

    Raises:
        UriTooLong: the URL is longer than the limit.
        NotFound: the path does not start with the prefix.
    """

    __slots__ = ("_options", "headers", "method", "path", "query")

    def __init__(self, scope: Message, options: RequestLimits) -> None:
        raw_path: bytes = scope["raw_path"]
        self.method: str = scope["method"]
        self.query: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._options = options
        if len(raw_path) + len(self.query) > options.max_url_bytes:
            raise UriTooLong(
                f"the URL is longer than {options.max_url_bytes} bytes: send its parameters in a POST"
            )
        path = raw_path.decode("latin-1")
        prefix = options.path_prefix
        if prefix and path not in _HEALTH:
            if path == prefix:
                path += "/"
            if not path.startswith(f"{prefix}/"):
                raise NotFound("this path does not exist here")
            path = path[len(prefix) :]
        self.path = path

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def form(self, receive: Receive) -> bytes:
        """Return the form body of a POST or PUT as sent; empty if there is none.

        Raises:
            UnsupportedMediaType: the body is not a form.
            ContentTooLarge, BadRequest, ClientDisconnected: as :meth:`raw`.
        """
        body = await self.raw(receive)
        if body and self._media_type() != _FORM:
            raise UnsupportedMediaType(f"send the body as {_FORM.decode()}")
        return body

    async def message(self, receive: Receive) -> bytes:
        """Return the body of a remote read as sent.

        Raises:
            UnsupportedMediaType: the headers are not those of a compressed message.
            ContentTooLarge, BadRequest, ClientDisconnected: as :meth:`raw`.
        """
        encoding = (self.header(b"content-encoding") or b"").strip().lower()
        if self._media_type() != _PROTOBUF or encoding != b"snappy":
            raise UnsupportedMediaType(
                f"send the body as {_PROTOBUF.decode()}, with Content-Encoding: snappy"
            )
        return await self.raw(receive)

    async def raw(self, receive: Receive) -> bytes:
        """Return the body as sent; empty if there is none.

        Raises:
            ContentTooLarge: the body is longer than the limit.
            BadRequest: Content-Length is not a number.
            ClientDisconnected: the client disconnected before the end of the body.
        """
        limit = self._options.max_body_bytes
        length = self.header(b"content-length")
        if length is not None:
            if not length.isdigit():
                raise BadRequest("Content-Length is not a number")
            if len(length) > 18 or int(length) > limit:
                raise ContentTooLarge(f"the body is longer than {limit} bytes")
        pieces: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise ContentTooLarge(f"the body is longer than {limit} bytes")
            pieces.append(piece)
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _media_type(self) -> bytes:
        return (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()
