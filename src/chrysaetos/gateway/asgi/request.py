"""One request, as the application sees it, and its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest, ContentTooLarge, NotFound, UnsupportedMediaType, UriTooLong

if TYPE_CHECKING:
    from typing import Protocol

    from chrysaetos.http.types import Message, Receive

    class RequestLimits(Protocol):
        """What a request is measured by."""

        @property
        def path_prefix(self) -> str:
            """Taken off each request's path."""
            ...

        @property
        def max_url_bytes(self) -> int:
            """Longest URL, with its query."""
            ...

        @property
        def max_body_bytes(self) -> int:
            """Longest body."""
            ...


__all__ = ["ClientGone", "Request"]

_FORM = b"application/x-www-form-urlencoded"
_PROTOBUF = b"application/x-protobuf"


class ClientGone(Exception):
    """The client closed its connection before its request was complete."""


class Request:
    """A request without a look at who sent it.

    Args:
        scope: ASGI's connection scope.
        options: the limits.

    Attributes:
        method: its method.
        path: its path as it was sent, without the configured prefix.
        query: the query of its URL, as it was sent.
        headers: names in lower case, and values, in the order of the request.

    Raises:
        UriTooLong: the URL is longer than the limit.
        NotFound: the path is not below the prefix.
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
        if prefix:
            if path == prefix:
                path += "/"
            if not path.startswith(f"{prefix}/"):
                raise NotFound("this path is not served here")
            path = path[len(prefix) :]
        self.path = path

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def form(self, receive: Receive) -> bytes:
        """The form body of a POST or PUT, as it was sent; empty where there is none.

        Raises:
            UnsupportedMediaType: the body is not a form.
            ContentTooLarge, BadRequest, ClientGone: as :meth:`raw`.
        """
        body = await self.raw(receive)
        if body and self._media_type() != _FORM:
            raise UnsupportedMediaType(f"send the body as {_FORM.decode()}")
        return body

    async def message(self, receive: Receive) -> bytes:
        """The body of a remote read, as it was sent.

        Raises:
            UnsupportedMediaType: the headers do not say that it is a compressed message.
            ContentTooLarge, BadRequest, ClientGone: as :meth:`raw`.
        """
        encoding = (self.header(b"content-encoding") or b"").strip().lower()
        if self._media_type() != _PROTOBUF or encoding != b"snappy":
            raise UnsupportedMediaType(
                f"send the body as {_PROTOBUF.decode()}, with Content-Encoding: snappy"
            )
        return await self.raw(receive)

    async def raw(self, receive: Receive) -> bytes:
        """The body, as it was sent; empty where there is none.

        Raises:
            ContentTooLarge: it is longer than the limit.
            BadRequest: its length is not a number.
            ClientGone: the client went away before its end.
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
                raise ClientGone
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise ContentTooLarge(f"the body is longer than {limit} bytes")
            pieces.append(piece)
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _media_type(self) -> bytes:
        return (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()
