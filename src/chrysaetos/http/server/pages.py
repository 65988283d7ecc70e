"""A small ASGI application for monitoring pages, which are generated for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.errors import Headers
    from chrysaetos.http.types import Message, Receive, Send

    Response = tuple[int, Headers, bytes]
    """Status, headers and body."""

__all__ = ["EXPOSITION", "Pages", "send_response", "text"]

EXPOSITION = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
"""The content type of Prometheus' text format."""
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class Pages:
    """Responds to GET and HEAD for a few paths.

    Args:
        pages: by path, the function that returns the response to a request with this ASGI scope.
    """

    def __init__(self, pages: Mapping[str, Callable[[Message], Response]]) -> None:
        self._pages = pages

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Respond to a request."""
        page = self._pages.get(scope["path"])
        if page is None:
            response = text(404, f"the available pages are {' and '.join(self._pages)}")
        elif scope["method"] not in {"GET", "HEAD"}:
            response = text(405, "use GET or HEAD", (b"allow", b"GET, HEAD"))
        else:
            response = page(scope)
        await send_response(send, response, head=scope["method"] == "HEAD")


def text(status: int, line: str, *headers: tuple[bytes, bytes]) -> Response:
    """Return a response with one line of text.

    Args:
        status: the status.
        line: the line, without a line break.
        headers: further headers.
    """
    return status, [_TEXT, *headers], f"{line}\n".encode()


async def send_response(send: Send, response: Response, *, head: bool = False) -> None:
    """Send a complete response.

    Args:
        send: ASGI's ``send``.
        response: status, headers and body.
        head: whether the request is HEAD, whose response has no body.
    """
    status, headers, body = response
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
