"""The path of a request through the gateway, one call for each step."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import QueryError
from chrysaetos.gateway.proxy.admission import PROJECT_HEADER, identify, permit
from chrysaetos.gateway.proxy.coalescing import Key
from chrysaetos.gateway.proxy.filtering import FilteredEndpoints
from chrysaetos.gateway.proxy.limits import Slot, account
from chrysaetos.gateway.proxy.relay import (
    GZIP_HEADER,
    NOT_FOR_CLIENTS,
    accepted_encodings,
    relay_response,
    scope_header,
)
from chrysaetos.gateway.proxy.store_warnings import IDENTITY_HEADER, hide_stores
from chrysaetos.gateway.proxy.upstream_errors import check_served, checked_error
from chrysaetos.http.upstream.response import UpstreamResponse
from chrysaetos.tenancy.endpoints import Action
from chrysaetos.tenancy.parameters import Text

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from chrysaetos.access.grants import Access
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.gateway.proxy.coalescing import Coalescer
    from chrysaetos.gateway.proxy.costs import Costs
    from chrysaetos.gateway.proxy.limits import Limits
    from chrysaetos.gateway.proxy.offload import Offload
    from chrysaetos.gateway.proxy.options import GatewayOptions
    from chrysaetos.gateway.proxy.query_budgets import QueryBudget
    from chrysaetos.gateway.proxy.scoping import Scoping
    from chrysaetos.gateway.proxy.upstream_errors import Restore
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.identity.caller import Authenticator
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.engine import Additions
    from chrysaetos.tenancy.parameters import BoundParameters
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
_FILTER, _READ, _SCOPE = Action.FILTER, Action.READ, Action.SCOPE  # looking up members of an Enum takes long
_WITH_BODY = frozenset({"POST", "PUT"})


class _Call(NamedTuple):
    """A request that has a slot.

    Attributes:
        request: the request.
        target: the endpoint, and the path for the upstream.
        scope: what the caller may see.
        project: the key from ``account``.
        budget: what the query may cost; None for no limit.
        exchange: where details are recorded.
    """

    request: Request
    target: Target
    scope: Scope
    project: str
    budget: QueryBudget | None
    exchange: Exchange


class Proxy:
    """Handles requests for the upstream's endpoints.

    Args:
        options: limits, timeouts, and what scoped requests send to the engine.
        identity: identifies callers.
        access: decides what callers may see.
        upstream: the connections to Prometheus.
        limits: the limits on concurrent requests.
        scoping: scopes what requests send.
        offload: filters long responses.
        costs: estimates what queries would have cost.
        coalescer: coalesces identical reads; None to send each.
    """

    def __init__(
        self,
        options: GatewayOptions,
        *,
        identity: Authenticator,
        access: Access,
        upstream: Pool,
        limits: Limits,
        scoping: Scoping,
        offload: Offload,
        costs: Costs,
        coalescer: Coalescer | None,
    ) -> None:
        self._options = options
        self._identity = identity
        self._access = access
        self._upstream = upstream
        self._limits = limits
        self._coalescer = coalescer
        self._scoping = scoping
        self._costs = costs
        self._filtered = FilteredEndpoints(
            upstream,
            timeout=options.timeout,
            bounds=options.bounds,
            limit=options.max_filtered_bytes,
            engine_name=options.engine_name,
            offload=offload,
        )

    async def handle(self, request: Request, target: Target, exchange: Exchange) -> None:
        """Handle a request and record its details on the exchange.

        Raises:
            ApiError: the error to respond with; nothing has been sent.
        """
        endpoint = target.endpoint
        caller = await identify(self._identity, request, exchange)
        permitted = await permit(self._access, caller, endpoint, request)
        scope, wanted, _ = permitted
        exchange.scope = scope
        project = account(caller, wanted)
        budget = self._options.budget(caller, endpoint, permitted)
        limits = self._limits
        if not limits.try_acquire(project):
            await limits.acquire(project)
        with Slot(limits, project, exchange.abort) as slot:
            call = _Call(request, target, scope, project, budget, exchange)
            bound = await self._bind(call)
            response = await self._respond(call, bound)
            slot.start_sending()
            headers = [scope_header(scope)]
            if wanted is not None:
                headers.append((PROJECT_HEADER, wanted.encode("ascii")))
            await relay_response(response, exchange, self._options.max_response_bytes, *headers)

    async def _bind(self, call: _Call) -> BoundParameters:
        """Return the scoped parameters and body for the upstream."""
        request, target, scope, project, budget, exchange = call
        endpoint = target.endpoint
        reads = endpoint.action is _READ
        form = request.form if request.method in _WITH_BODY and not reads else None
        try:
            bound = await self._scoping.bind(endpoint, scope, project, request.query, form)
        except QueryError as error:
            exchange.texts = (Text(error.text, ""),)
            raise
        if reads:
            message, texts = await self._scoping.read_request(scope, project, request.message)
            bound = bound._replace(body=message, texts=texts)
        exchange.texts = bound.texts
        return bound if budget is None else budget.applied(bound)

    async def _respond(self, call: _Call, bound: BoundParameters) -> UpstreamResponse:
        """Return the response for the client."""
        _, target, scope, project, budget, exchange = call
        endpoint = target.endpoint
        additions = self._options.engine.additions(scope)
        asked = time.perf_counter()
        try:
            if not scope.unrestricted and endpoint.action is _FILTER:
                content = await self._filtered.handle(endpoint, scope, project, bound.url, additions)
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
                return UpstreamResponse(200, headers, len(content), content, None)
            response = await self._ask(call, bound, additions)
            response = await check_served(response, self._options.engine_name, endpoint.path)
        finally:
            exchange.upstream_seconds = time.perf_counter() - asked
        if self._hides_stores(call) and response.status == 200:
            return hide_stores(response, exchange.request_id)
        if scope.unrestricted or response.status < 400 or response.status in NOT_FOR_CLIENTS:
            return response
        restore = self._restoring(endpoint, scope, project, bound.texts)
        response = await checked_error(response, exchange.request_id, restore)
        if budget is not None:
            await self._costs.check(response, endpoint, bound, additions, budget.in_force(bound))
        return response

    def _restoring(
        self, endpoint: Endpoint, scope: Scope, project: str, texts: tuple[Text, ...]
    ) -> Restore | None:
        """Return a function that rewrites errors about the scoped text to be about the caller's text.

        None if there are several texts, because an error does not say which one it is about.
        """
        if endpoint.action is not _SCOPE or len(texts) != 1 or not texts[0].original:
            return None
        return partial(self._scoping.restored, endpoint, scope, project, texts[0].original)

    def _hides_stores(self, call: _Call) -> bool:
        """Whether the warnings of a successful response may be about stores, which the caller may not see."""
        if not self._options.engine_warns_of_stores or call.scope.unrestricted:
            return False
        return call.target.endpoint.action is _SCOPE

    async def _ask(self, call: _Call, bound: BoundParameters, additions: Additions) -> UpstreamResponse:
        """Return the upstream's response, or that of an identical read in flight."""
        request, target, scope = call.request, call.target, call.scope
        path = target.path.encode("ascii")
        wanted = path + b"?" + bound.url if bound.url else path
        body = bound.body or b""
        endpoint = target.endpoint
        if bound.body is None or endpoint.action is _READ:
            wanted = additions.added_to(wanted)
        else:
            # In the body, because the projects of a domain may be too long for a URL.
            body = b"&".join(part for part in (body, additions.parameters) if part)
        headers = _request_headers(request, endpoint, has_body=bound.body is not None)
        if self._hides_stores(call):
            headers = [header for header in headers if header != GZIP_HEADER]
            headers.append(IDENTITY_HEADER)
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
    if endpoint.action is _READ:
        return list(_READ_HEADERS)
    headers = [_FORM_HEADER] if has_body else []
    return [*headers, *accepted_encodings(request)]
