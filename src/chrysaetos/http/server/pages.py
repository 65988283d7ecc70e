"""A small ASGI application: pages for monitoring, each made when it is requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.errors import Headers
    from chrysaetos.http.types import Message, Receive, Send

    Answer = tuple[int, Headers, bytes]
    """Status, headers and body."""

__all__ = ["EXPOSITION", "Pages", "respond", "text"]

EXPOSITION = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
"""The content type of Prometheus' text format."""
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class Pages:
    """Answer GET and HEAD for a few paths.

    Args:
        pages: by path, the function that makes the answer to a request from its ASGI scope.
    """

    def __init__(self, pages: Mapping[str, Callable[[Message], Answer]]) -> None:
        self._pages = pages

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer one request."""
        page = self._pages.get(scope["path"])
        if page is None:
            answer = text(404, f"the pages here are {' and '.join(self._pages)}")
        elif scope["method"] not in {"GET", "HEAD"}:
            answer = text(405, "use GET or HEAD", (b"allow", b"GET, HEAD"))
        else:
            answer = page(scope)
        await respond(send, answer, head=scope["method"] == "HEAD")


def text(status: int, line: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an answer of one line of text.

    Args:
        status: its status.
        line: the line, without its end.
        headers: header fields beside the content type.
    """
    return status, [_TEXT, *headers], f"{line}\n".encode()


async def respond(send: Send, answer: Answer, *, head: bool = False) -> None:
    """Send an answer that is complete.

    Args:
        send: ASGI's.
        answer: status, headers and body.
        head: whether the request was HEAD, whose answer has no body.
    """
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
