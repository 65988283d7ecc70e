"""What a server and its application are to each other."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from chrysaetos.errors import Headers

__all__ = ["Application", "Handler", "HttpRequest", "Part", "Reply"]


class HttpRequest:
    """A request.

    Attributes:
        method: the method; any token.
        path: the path as sent; ``*`` for ``OPTIONS *``.
        query: the part of the target after the first question mark.
        version: "1.0" or "1.1".
        headers: names in lower case, and values, in their order. Must not be modified.
        keep_alive: whether the connection may carry another request.
        expects: whether the client waits for ``100 Continue``.
        body: the body, decoded; empty until it is complete, and again while the client does not read the
            response.
        client: the client's address, "" for a Unix socket.
    """

    __slots__ = (
        "body",
        "client",
        "expects",
        "headers",
        "keep_alive",
        "method",
        "path",
        "query",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        version: str = "1.1",
        keep_alive: bool = True,
        expects: bool = False,
    ) -> None:
        self.method = method
        self.path, _, self.query = target.partition(b"?")
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.expects = expects
        self.body = b""
        self.client = ""


class Reply(Protocol):
    """The response to a request, on its way to the client."""

    @property
    def paused(self) -> bool:
        """Whether the client reads more slowly than the application writes: await ``drained``."""
        ...

    def begin(self, status: int, headers: Headers) -> None:
        """Set the status and the headers, which are sent with the first part of the body."""
        ...

    def write(self, body: bytes, *, more: bool = False) -> None:
        """Send a part of the body, the last one unless there is more."""
        ...

    async def drained(self) -> None:
        """Wait until the client has read more of the response."""
        ...

    def abort(self) -> None:
        """Close the connection at once, which cancels the request."""
        ...


Handler = Callable[[HttpRequest, Reply], Coroutine[Any, Any, None]]
"""Responds to a request, which is complete. If the client disconnects, it is cancelled."""


class Part(Protocol):
    """What starts before the first request, and is closed after the last one."""

    async def start(self) -> None:
        """Start.

        Raises:
            OSError: it cannot start.
        """
        ...

    async def close(self) -> None:
        """Stop, and release everything."""
        ...


class Application(Part, Protocol):
    """A handler that starts and stops."""

    def __call__(self, request: HttpRequest, reply: Reply, /) -> Coroutine[Any, Any, None]:
        """Respond to a request; see ``Handler``."""
        ...
