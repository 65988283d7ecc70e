"""A request and its response, which handlers send through it.

The application creates an exchange for each request, and handlers record details on it, for the audit log and
the metrics. When the response has been sent, or the client has disconnected, each observer gets the exchange
once.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Protocol, Self, cast

if TYPE_CHECKING:
    from chrysaetos.errors import Headers
    from chrysaetos.http.server.responses import Response
    from chrysaetos.http.server.server import RefusedRequest
    from chrysaetos.http.types import Reply
    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.parameters import Text
    from chrysaetos.tenancy.scope import Scope

__all__ = ["CLIENT_DISCONNECTED", "Exchange", "Observer"]

CLIENT_DISCONNECTED = 499
"""The status of an exchange whose client disconnected before the response began; it is never sent."""


class Exchange:
    """The details of a request and its response.

    Args:
        method: the request's method.
        client: the client's address, "" for a Unix socket.
        reply: where the response is sent; None if it was sent before.
        headers: headers of every response to the request, such as those for pages of other origins.

    Attributes:
        request_id: the id that the client gets in ``X-Openstack-Request-Id``.
        method: the request's method.
        path: the path as sent, without the configured prefix; "" while unknown.
        client: the client's address, "" for a Unix socket.
        endpoint: the row of the endpoint table, None for a path that is not in it.
        caller: the caller, None while unknown.
        scope: what the caller may see, None while unknown.
        texts: the PromQL texts of the request, as received and as sent to the upstream.
        status: the status of the response, 0 while there is none.
        error: the errorType of an error response of the gateway itself, otherwise "".
        reason: why the server rejected the request before it reached the application, otherwise "".
        complete: whether the response was sent completely.
        sent: bytes of the response's body.
        upstream_seconds: time from asking the upstream until the headers of its response, or until that
            failed; None if it was not asked.
        started, ended: ``time.perf_counter()`` at the start and at the end.
    """

    __slots__ = (
        "_headers",
        "_reply",
        "caller",
        "client",
        "complete",
        "ended",
        "endpoint",
        "error",
        "method",
        "path",
        "reason",
        "request_id",
        "scope",
        "sent",
        "started",
        "status",
        "texts",
        "upstream_seconds",
    )

    def __init__(
        self, method: str, client: str, reply: Reply | None = None, headers: Headers | None = None
    ) -> None:
        self.started = time.perf_counter()
        self.ended = 0.0
        self.request_id = _request_id()
        self.method = method
        self.path = ""
        self.client = client
        self.endpoint: Endpoint | None = None
        self.caller: Caller | None = None
        self.scope: Scope | None = None
        self.texts: tuple[Text, ...] = ()
        self.status = 0
        self.error = ""
        self.reason = ""
        self.complete = False
        self.sent = 0
        self.upstream_seconds: float | None = None
        self._reply = cast("Reply", reply)
        self._headers = headers or []

    async def respond(self, response: Response) -> None:
        """Send a complete response, without its body if the method is HEAD."""
        status, headers, body = response
        self.begin(status, headers)
        await self.write(b"" if self.method == "HEAD" else body)

    def begin(self, status: int, headers: Headers) -> None:
        """Begin a response whose body is going to be written in parts.

        Args:
            status: the status.
            headers: the headers; that with the request's id is added.
        """
        self.status = status
        self._reply.begin(status, [*headers, *self._headers, self.id_header])

    async def write(self, body: bytes, *, more: bool = False) -> None:
        """Send a part of the body, the last one unless there is more, at the pace of the client."""
        self.sent += len(body)
        self.complete = not more
        reply = self._reply
        reply.write(body, more=more)
        if reply.paused:
            await reply.drained()

    def abort(self) -> None:
        """Close the connection to the client at once, which cancels the request."""
        self._reply.abort()

    @classmethod
    def of_rejected(cls, request: RefusedRequest) -> Self:
        """Return the completed exchange of a request that the server rejected."""
        exchange = cls(request.method, request.client)
        exchange.path = request.path
        error = request.error
        exchange.status, exchange.error, exchange.reason = error.status, error.error_type, error.message
        exchange.sent, exchange.complete, exchange.ended = request.answer_bytes, True, exchange.started
        return exchange

    @property
    def id_header(self) -> tuple[bytes, bytes]:
        """The response header with the request's id."""
        return (b"x-openstack-request-id", self.request_id.encode("ascii"))

    @property
    def seconds(self) -> float:
        """The duration of the exchange."""
        return self.ended - self.started


def _request_id() -> str:
    """Return an id in the format of OpenStack: ``req-`` and a random UUID (RFC 9562, 5.4).

    The id is not a secret, so it does not need the kernel's random numbers that ``uuid4`` uses.
    """
    digits = f"{random.getrandbits(128):032x}"
    return f"req-{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


class Observer(Protocol):
    """Observes requests. Its method must be fast and must not raise."""

    def on_end(self, exchange: Exchange) -> None:
        """Observe the end of a request: its response was sent or aborted."""
        ...
