"""The path of a request through the gateway: each step is one call, and nothing later reaches back."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import BadGateway
from chrysaetos.gateway.response import UpstreamBroken
from chrysaetos.tenancy.parameters import Binder

if TYPE_CHECKING:
    from typing import Protocol

    from chrysaetos.access.grants import Access
    from chrysaetos.gateway.exchange import Exchange
    from chrysaetos.gateway.options import GatewayOptions
    from chrysaetos.gateway.replicas import Pool
    from chrysaetos.gateway.request import Receive, Request, Send
    from chrysaetos.gateway.upstream import UpstreamResponse
    from chrysaetos.identity.caller import Authenticator, Caller
    from chrysaetos.tenancy.endpoints import Target

    class Identity(Authenticator, Protocol):
        """An authenticator that can answer at once for callers it has just seen."""

        def cached(self, headers: list[tuple[bytes, bytes]]) -> Caller | None:
            """The caller, or None when ``identify`` has to be awaited."""
            ...


__all__ = ["Proxy"]

_log = logging.getLogger(__name__)

_FORM_HEADER = (b"content-type", b"application/x-www-form-urlencoded")
_GZIP_HEADER = (b"accept-encoding", b"gzip")
_NO_STORE = (b"cache-control", b"no-store")
_PASSED = frozenset({b"content-type", b"content-encoding", b"content-length"})
"""The headers of the upstream's answer that the client gets."""
# What the upstream says of the gateway itself is not for the client: it would follow it, or ask its user for
# other credentials.
_NOT_FOR_CLIENTS = frozenset({401, 403, 407})


class Proxy:
    """Answers requests for the upstream's endpoints.

    Args:
        options: limits and times.
        identity: who is asking.
        access: what they may see.
        upstream: where it is.
    """

    def __init__(
        self, options: GatewayOptions, *, identity: Identity, access: Access, upstream: Pool
    ) -> None:
        self._timeout = options.timeout
        self._identity = identity
        self._access = access
        self._upstream = upstream
        self._binder = Binder(options.bounds)

    async def answer(
        self,
        request: Request,
        target: Target,
        exchange: Exchange,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer a request, and fill in what becomes known of it.

        Raises:
            ApiError: the answer is this error; nothing has been sent.
            ClientGone: there is nobody to answer.
        """
        endpoint = target.endpoint
        caller = self._identity.cached(request.headers)
        if caller is None:
            caller = await self._identity.identify(request.headers, request.method, request.path)
        exchange.caller = caller
        exchange.scope = scope = self._access.grant(caller, endpoint)
        body = await request.form(receive) if request.method == "POST" else None
        bound = self._binder.bind(endpoint, scope, request.query, body)
        exchange.texts = bound.texts
        path = target.path.encode("ascii")
        asked = time.perf_counter()
        response = await self._upstream.request(
            request.method,
            path + b"?" + bound.url if bound.url else path,
            body=bound.body or b"",
            headers=_request_headers(request, form=bound.body is not None),
            timeout=self._timeout,
            idempotent=True,
        )
        exchange.upstream_seconds = time.perf_counter() - asked
        await _pass_on(response, send)


def _request_headers(request: Request, *, form: bool) -> list[tuple[bytes, bytes]]:
    """What the upstream is told: nothing of what the client sent but whether it takes gzip."""
    headers = [_FORM_HEADER] if form else []
    if b"gzip" in (request.header(b"accept-encoding") or b""):
        headers.append(_GZIP_HEADER)
    return headers


async def _pass_on(response: UpstreamResponse, send: Send) -> None:
    """Stream an answer to the client, byte for byte."""
    status = response.status
    if 300 <= status < 400 or status in _NOT_FOR_CLIENTS:
        response.abort()
        _log.error("Prometheus answered %d: check the section [prometheus]", status)
        raise BadGateway(f"Prometheus answered {status}: the gateway's own access to it needs a look")
    try:
        headers = [header for header in response.headers if header[0] in _PASSED]
        headers.append(_NO_STORE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        whole = response.body
        if whole is not None:
            await send({"type": "http.response.body", "body": whole})
            return
        async for piece in response:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
    except UpstreamBroken as error:
        # The status has gone out. Leaving the answer unfinished makes the server close the connection, and so
        # the client sees a broken transfer and no short answer.
        _log.error("an answer of Prometheus broke off: %s", error)
    finally:
        response.abort()
