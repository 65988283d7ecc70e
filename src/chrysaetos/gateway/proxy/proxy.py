"""The path of a request through the gateway, one call for each step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chrysaetos.errors import QueryError
from chrysaetos.gateway.proxy.admission import grant, identify
from chrysaetos.gateway.proxy.coalescing import Key
from chrysaetos.gateway.proxy.filtering import FilteredEndpoints
from chrysaetos.gateway.proxy.limits import account
from chrysaetos.gateway.proxy.relay import (
    NO_STORE,
    NOT_FOR_CLIENTS,
    accepted_encodings,
    relay_response,
    scope_header,
)
from chrysaetos.gateway.proxy.upstream_errors import checked_error
from chrysaetos.tenancy.endpoints import Action
from chrysaetos.tenancy.enforce import scoping_edits
from chrysaetos.tenancy.parameters import Binder, Text
from chrysaetos.tenancy.positions import restored
from chrysaetos.tenancy.remote_read import scope_read_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chrysaetos.access.grants import Access
    from chrysaetos.gateway.asgi.exchange import Exchange
    from chrysaetos.gateway.asgi.request import Request
    from chrysaetos.gateway.proxy.admission import Identity
    from chrysaetos.gateway.proxy.coalescing import Coalescer
    from chrysaetos.gateway.proxy.limits import Limits
    from chrysaetos.gateway.proxy.options import GatewayOptions
    from chrysaetos.http.types import Receive, Send
    from chrysaetos.http.upstream.pool import UpstreamResponse
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.tenancy.edits import Edit
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.engine import Additions
    from chrysaetos.tenancy.parameters import Bound
    from chrysaetos.tenancy.paths import Target
    from chrysaetos.tenancy.scope import Scope

__all__ = ["Proxy"]

_FORM_HEADER = (b"content-type", b"application/x-www-form-urlencoded")
# The headers of a remote read (Prometheus, storage/remote/client.go).
_READ_HEADERS = (
    (b"content-type", b"application/x-protobuf"),
    (b"content-encoding", b"snappy"),
    (b"x-prometheus-remote-read-version", b"0.1.0"),
)
_WITH_BODY = frozenset({"POST", "PUT"})


class Proxy:
    """Handles requests for the upstream's endpoints.

    Args:
        options: limits, timeouts, and what scoped requests send to the engine.
        identity: identifies callers.
        access: decides what callers may see.
        upstream: the connections to Prometheus.
        limits: the limits on concurrent requests.
        coalescer: coalesces identical reads; None to send each.
    """

    def __init__(
        self,
        options: GatewayOptions,
        *,
        identity: Identity,
        access: Access,
        upstream: Pool,
        limits: Limits,
        coalescer: Coalescer | None,
    ) -> None:
        self._options = options
        self._identity = identity
        self._access = access
        self._upstream = upstream
        self._limits = limits
        self._coalescer = coalescer
        self._binder = Binder(options.bounds, reserved=options.engine.parameter_names)
        self._filtered = FilteredEndpoints(
            upstream, timeout=options.timeout, bounds=options.bounds, limit=options.max_filtered_bytes
        )

    async def handle(
        self,
        request: Request,
        target: Target,
        exchange: Exchange,
        receive: Receive,
        send: Send,
    ) -> None:
        """Handle a request and record its details on the exchange.

        Raises:
            ApiError: the error to respond with; nothing has been sent.
            ClientDisconnected: the client has disconnected.
        """
        endpoint = target.endpoint
        caller = await identify(self._identity, request, exchange)
        exchange.scope = scope = await grant(self._access, caller, endpoint)
        scoped = not scope.unrestricted
        additions = self._options.engine.additions(scope)
        try:
            bound = await self._bind(request, endpoint, scope, receive)
        except QueryError as error:
            exchange.texts = (Text(error.text, ""),)
            raise
        exchange.texts = bound.texts
        project = account(caller)
        if not self._limits.try_acquire(project):
            await self._limits.acquire(project)
        try:
            asked = time.perf_counter()
            if scoped and endpoint.action is Action.FILTER:
                content = await self._filtered.handle(endpoint, scope, bound.url, additions)
                exchange.upstream_seconds = time.perf_counter() - asked
                await _answer_with(content, scope, send)
                return
            response = await self._ask(request, target, scope, bound, additions)
            exchange.upstream_seconds = time.perf_counter() - asked
            if scoped and response.status >= 400 and response.status not in NOT_FOR_CLIENTS:
                restore = self._restoring(endpoint, scope, bound.texts)
                response = await checked_error(response, exchange.request_id, restore)
            await relay_response(response, send, self._options.max_response_bytes, scope_header(scope))
        finally:
            self._limits.release(project)

    def _restoring(
        self, endpoint: Endpoint, scope: Scope, texts: tuple[Text, ...]
    ) -> Callable[[str], str] | None:
        """Return a function that rewrites an error about the scoped text to be about the caller's text.

        None if there are several texts, because the error does not say which one it is about.
        """
        if endpoint.action is not Action.SCOPE or len(texts) != 1 or not texts[0].original:
            return None
        text, bounds = texts[0].original, self._options.bounds
        is_selector = "query" not in endpoint.parameters

        def stages() -> tuple[list[Edit], list[Edit]]:
            return scoping_edits(text, scope, is_selector=is_selector, bounds=bounds)

        return lambda message: restored(message, text, stages)

    async def _bind(self, request: Request, endpoint: Endpoint, scope: Scope, receive: Receive) -> Bound:
        """Return the scoped parameters and body for the upstream."""
        if endpoint.action is Action.READ:
            body = await request.message(receive)
            message, texts = scope_read_request(body, scope, self._options.max_read_bytes)
            bound = self._binder.bind(endpoint, scope, request.query, None)
            return bound._replace(body=message, texts=texts)
        form = await request.form(receive) if request.method in _WITH_BODY else None
        return self._binder.bind(endpoint, scope, request.query, form)

    async def _ask(
        self, request: Request, target: Target, scope: Scope, bound: Bound, additions: Additions
    ) -> UpstreamResponse:
        """Return the upstream's response, or that of an identical read in flight."""
        path = target.path.encode("ascii")
        wanted = path + b"?" + bound.url if bound.url else path
        body = bound.body or b""
        endpoint = target.endpoint
        if bound.body is None or endpoint.action is Action.READ:
            wanted = additions.added_to(wanted)
        else:
            # In the body, because the projects of a domain may be too long for a URL.
            body = b"&".join(part for part in (body, additions.parameters) if part)
        headers = _request_headers(request, endpoint, has_body=bound.body is not None)
        headers += additions.headers

        def ask() -> Awaitable[UpstreamResponse]:
            return self._upstream.request(
                request.method,
                wanted,
                body=body,
                headers=headers,
                timeout=self._options.timeout,
                idempotent=endpoint.idempotent,
            )

        if self._coalescer is None or not endpoint.idempotent:
            return await ask()
        key = Key(request.method, wanted, body, scope.matcher, tuple(headers))
        return await self._coalescer.fetch(key, ask)


def _request_headers(request: Request, endpoint: Endpoint, *, has_body: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers for the upstream. Of the client's, they reflect only whether it accepts gzip."""
    if endpoint.action is Action.READ:
        return list(_READ_HEADERS)
    headers = [_FORM_HEADER] if has_body else []
    return [*headers, *accepted_encodings(request)]


async def _answer_with(content: bytes, scope: Scope, send: Send) -> None:
    """Send a JSON response that the gateway has created."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode("ascii")),
        NO_STORE,
        scope_header(scope),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
