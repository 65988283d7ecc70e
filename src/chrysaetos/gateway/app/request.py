"""A request to the gateway, with its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import ContentTooLarge, NotFound, UnsupportedMediaType, UriTooLong

if TYPE_CHECKING:
    from typing import Protocol

    from chrysaetos.http.types import HttpRequest

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


__all__ = ["Request"]

_FORM = b"application/x-www-form-urlencoded"
_PROTOBUF = b"application/x-protobuf"
_HEALTH = frozenset({"/healthcheck", "/-/healthy", "/-/ready"})
"""Paths of load balancers' checks, which are served without the prefix as well."""


class Request:
    """A request, before its caller is identified.

    Args:
        received: the request as the server received it.
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

    __slots__ = ("_options", "_received", "headers", "method", "path", "query")

    def __init__(self, received: HttpRequest, options: RequestLimits) -> None:
        raw_path = received.path
        self.method = received.method
        self.query = received.query
        self.headers = received.headers
        self._received = received
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

    @property
    def body(self) -> bytes:
        """The body as sent; empty if there is none.

        Raises:
            ContentTooLarge: the body is longer than the limit.
        """
        limit = self._options.max_body_bytes
        body = self._received.body
        if len(body) > limit:
            raise ContentTooLarge(f"the body is longer than {limit} bytes")
        return body

    @property
    def form(self) -> bytes:
        """The form body of a POST or PUT as sent; empty if there is none.

        Raises:
            UnsupportedMediaType: the body is not a form.
            ContentTooLarge: as for ``body``.
        """
        body = self.body
        if body and self.media_type != _FORM:
            raise UnsupportedMediaType(f"send the body as {_FORM.decode()}")
        return body

    @property
    def message(self) -> bytes:
        """The body of a remote read as sent.

        Raises:
            UnsupportedMediaType: the headers are not those of a compressed message.
            ContentTooLarge: as for ``body``.
        """
        encoding = (self.header(b"content-encoding") or b"").strip().lower()
        if self.media_type != _PROTOBUF or encoding != b"snappy":
            raise UnsupportedMediaType(
                f"send the body as {_PROTOBUF.decode()}, with Content-Encoding: snappy"
            )
        return self.body

    @property
    def media_type(self) -> bytes:
        """The media type of the body in lower case, without parameters; empty if there is none."""
        return (self.header(b"content-type") or b"").partition(b";")[0].strip().lower()
