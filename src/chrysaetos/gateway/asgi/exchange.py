"""One request and its answer, as audit, metrics and limits look at it.

The application makes one for each request and fills it in on the way. When the answer has been sent, or
the client has gone, it is shown to each observer, once.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from chrysaetos.http.server.server import RefusedRequest
    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.parameters import Text
    from chrysaetos.tenancy.scope import Scope

__all__ = ["CLIENT_GONE", "Exchange", "Observer"]

CLIENT_GONE = 499
"""The status of an exchange whose client went away before its answer began; it is never sent."""


class Exchange:
    """What is known of one request and its answer.

    Attributes:
        request_id: the id that the client is told in ``X-Openstack-Request-Id``.
        method: the request's method.
        path: its path as it was sent, without the configured prefix; "" while it is not known.
        client: address of the peer, "" for a Unix socket.
        endpoint: the row of the endpoint table, None for a path that is not in it.
        caller: who asks, None while it is not known.
        scope: what the caller may see, None while it is not known.
        texts: the PromQL texts of the request, as they came and as they were sent.
        status: status of the answer, 0 while there is none.
        error: the error that the answer is, if the gateway made it: its errorType; else "".
        reason: why the request was refused before it was understood, in the gateway's own words; else "".
        complete: whether the answer was sent to its end.
        sent: bytes of the answer's body.
        upstream_seconds: from sending the request to the upstream until the head of its answer; None if it
            was not asked.
        started, ended: ``time.perf_counter()`` at the beginning and at the end.
    """

    __slots__ = (
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

    def __init__(self, method: str, client: str) -> None:
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

    @classmethod
    def of_refused(cls, request: RefusedRequest) -> Self:
        """Return the exchange of a request that the server refused, which is over."""
        exchange = cls(request.method, request.client)
        exchange.path = request.path
        error = request.error
        exchange.status, exchange.error, exchange.reason = error.status, error.error_type, error.message
        exchange.sent, exchange.complete, exchange.ended = request.answer_bytes, True, exchange.started
        return exchange

    @property
    def id_header(self) -> tuple[bytes, bytes]:
        """The header field that tells the client the request's id."""
        return (b"x-openstack-request-id", self.request_id.encode("ascii"))

    @property
    def seconds(self) -> float:
        """How long the whole took."""
        return self.ended - self.started


def _request_id() -> str:
    """An id in the form that OpenStack's services give theirs: ``req-`` and a random UUID (RFC 9562, 5.4).

    It tells requests apart and protects nothing, so it need not come from the kernel, as ``uuid4`` has it.
    """
    digits = f"{random.getrandbits(128):032x}"
    return f"req-{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


class Observer(Protocol):
    """Anything that wants to know of requests. It must be quick, and must not raise."""

    def begun(self, exchange: Exchange) -> None:
        """A request has come in; little is known of it."""
        ...

    def ended(self, exchange: Exchange) -> None:
        """Its answer has been sent, or given up."""
        ...
