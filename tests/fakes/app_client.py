"""A client that calls an application directly, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from chrysaetos.http.types import HttpRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chrysaetos.http.types import Handler

__all__ = ["Answer", "AppClient", "http_request"]


class Answer:
    """A response of the application, which is its ``Reply``."""

    paused = False

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.complete = False

    def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        assert self.status == 0
        self.status = status
        self.headers = list(headers)

    def write(self, body: bytes, *, more: bool = False) -> None:
        assert self.status
        assert not self.complete
        self.pieces.append(body)
        self.complete = not more

    async def drained(self) -> None:
        raise AssertionError("this client reads everything at once")

    def abort(self) -> None:
        raise AssertionError("this response is not aborted")

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


def http_request(
    method: str,
    target: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
    client: str = "",
) -> HttpRequest:
    """Return a request.

    Args:
        target: path and query, as in a request line.
    """
    request = HttpRequest(method, target.encode(), list(headers))
    request.body, request.client = body, client
    return request


class AppClient:
    """Calls an application.

    Args:
        client: the address of the client.
    """

    def __init__(self, app: Handler, *, client: str = "") -> None:
        self._app = app
        self._client = client

    async def request(self, method: str, target: str, **parts: Any) -> Answer:
        """Send a request; see ``http_request`` for its parts."""
        answer = Answer()
        await self._app(http_request(method, target, client=self._client, **parts), answer)
        return answer
