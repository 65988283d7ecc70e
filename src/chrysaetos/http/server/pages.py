"""A handler for monitoring pages, which are generated for each request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.http.server.responses import text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.http.server.responses import Response
    from chrysaetos.http.types import HttpRequest, Reply

__all__ = ["EXPOSITION", "Pages"]

EXPOSITION = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
"""The content type of Prometheus' text format."""


class Pages:
    """Responds to GET and HEAD for a few paths.

    Args:
        pages: by path, the function that returns the response to a request.
    """

    def __init__(self, pages: Mapping[str, Callable[[HttpRequest], Response]]) -> None:
        self._pages = pages

    async def __call__(self, request: HttpRequest, reply: Reply) -> None:
        """Respond to a request."""
        page = self._pages.get(request.path.decode("latin-1"))
        if page is None:
            response = text(404, f"the available pages are {' and '.join(self._pages)}")
        elif request.method not in {"GET", "HEAD"}:
            response = text(405, "use GET or HEAD", (b"allow", b"GET, HEAD"))
        else:
            response = page(request)
        status, headers, body = response
        reply.begin(status, headers)
        reply.write(body)
