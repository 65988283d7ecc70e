"""A client that calls an ASGI application directly, without a server."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Answer", "AsgiClient", "shut_down"]


@dataclass
class Answer:
    """A response of the application."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    complete: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)


class AsgiClient:
    """Calls an application."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Sequence[tuple[bytes, bytes]] = (),
        body: Sequence[bytes] = (b"",),
        disconnect: bool = False,
    ) -> Answer:
        """Send a request.

        Args:
            target: path and query, as in a request line.
            body: the pieces of the body.
            disconnect: whether the client disconnects after the pieces, before the end of the body.
        """
        path, _, query = target.encode().partition(b"?")
        messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": number < len(body) or disconnect}
            for number, piece in enumerate(body, start=1)
        ]
        messages.append({"type": "http.disconnect"})
        answer = Answer()

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                assert answer.status == 0
                answer.status = message["status"]
                answer.headers = list(message["headers"])
            else:
                assert answer.status
                assert not answer.complete
                answer.pieces.append(message.get("body", b""))
                answer.complete = not message.get("more_body", False)

        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "headers": list(headers),
        }
        await self._app(scope, receive, send)
        return answer


async def shut_down(app: Any) -> None:
    """Start and stop an application, which releases what its requests have used."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        assert message["type"].endswith(".complete"), message

    await app({"type": "lifespan"}, receive, send)
