"""Create the gateway's application, and route each request to its handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, NotFound, Unauthorized
from chrysaetos.gateway.app.application import Application
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.own.health import Health
from chrysaetos.gateway.own.introspection import Introspection
from chrysaetos.gateway.own.openapi import document
from chrysaetos.gateway.proxy.costs import Costs
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.proxy import Proxy
from chrysaetos.gateway.proxy.scoping import Scoping
from chrysaetos.http.server.responses import json_response
from chrysaetos.tenancy.endpoints import Action
from chrysaetos.tenancy.paths import find_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chrysaetos.access.grants import Access
    from chrysaetos.gateway.app.cors import Cors
    from chrysaetos.gateway.app.exchange import Exchange, Observer
    from chrysaetos.gateway.federate.handler import PortalHandler
    from chrysaetos.gateway.proxy.coalescing import Coalescer
    from chrysaetos.gateway.proxy.options import GatewayOptions
    from chrysaetos.gateway.web.handler import WebPage
    from chrysaetos.http.types import HttpRequest, Part
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.identity.caller import Authenticator
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.paths import Target

__all__ = ["create_app"]

# Looking up members of an Enum takes long.
_INTROSPECT, _PUBLIC, _WEB = Action.INTROSPECT, Action.PUBLIC, Action.WEB


def create_app(
    options: GatewayOptions,
    *,
    identity: Authenticator,
    access: Access,
    upstream: Pool,
    limits: Limits | None = None,
    offload: Offload | None = None,
    coalescer: Coalescer | None = None,
    gate: PortalHandler | None = None,
    cors: Cors | None = None,
    web: WebPage | None = None,
    observers: Sequence[Observer] = (),
    services: Sequence[Part] = (),
) -> Application:
    """Return the application.

    Args:
        options: limits and timeouts.
        identity: identifies callers.
        access: decides what callers may see.
        upstream: the connections to Prometheus.
        limits: the limits on concurrent requests; the defaults if None.
        offload: runs what takes long; with the default budget if None.
        coalescer: coalesces identical reads; None to send each.
        gate: handles the requests of portals; None if there are none.
        cors: the rules for pages of other origins; None to allow none.
        web: the web page; None to serve none.
        observers: observers of each request.
        services: services that start and stop with the application.
    """
    limits = limits or Limits(LimitOptions())
    offload = offload or Offload(CpuBudget())
    scoping = Scoping(options, offload=offload)
    costs = Costs(upstream, options.timeout)
    router = _Router(
        options,
        proxy=Proxy(
            options,
            identity=identity,
            access=access,
            upstream=upstream,
            limits=limits,
            scoping=scoping,
            offload=offload,
            costs=costs,
            coalescer=coalescer,
        ),
        introspection=Introspection(
            identity=identity,
            access=access,
            limits=limits,
            scoping=scoping,
            options=options,
            costs=costs,
        ),
        health=Health(identity=identity, upstream=upstream, prefix=options.path_prefix),
        gate=gate,
        cors=cors,
        web=web,
    )
    return Application(
        router,
        cors=cors,
        observers=observers,
        services=services,
        on_close=(
            upstream.close,
            *(() if web is None else (web.close,)),
            identity.close,
            offload.close,
        ),
    )


class _Router:
    """Routes each request to its handler."""

    def __init__(
        self,
        options: GatewayOptions,
        *,
        proxy: Proxy,
        introspection: Introspection,
        health: Health,
        gate: PortalHandler | None,
        cors: Cors | None,
        web: WebPage | None,
    ) -> None:
        self._options = options
        self._proxy = proxy
        self._introspection = introspection
        self._health = health
        self._gate = gate
        self._cors = cors
        self._web = web
        self._openapi = json_response(200, document(options.path_prefix))

    async def handle(self, received: HttpRequest, exchange: Exchange) -> None:
        """Handle a request."""
        try:
            request = Request(received, self._options)
        except ApiError:
            exchange.path = received.path.decode("latin-1")
            raise
        exchange.path = request.path
        if self._gate is not None and self._gate.takes(request):
            await self._gate.handle(request, exchange)
            return
        target = find_path(request.path)
        exchange.endpoint = endpoint = target.endpoint
        if self._cors is not None and (allowed := self._cors.preflight(request, endpoint)) is not None:
            await exchange.respond((204, allowed, b""))
            return
        endpoint.check_method(request.method)
        if endpoint.action is _PUBLIC:
            own = endpoint.name == "openapi"
            await exchange.respond(self._openapi if own else await self._health.handle(endpoint))
        elif endpoint.action is _WEB:
            if self._web is None:
                raise NotFound("this path is not served here")
            await exchange.respond(await self._web.handle(request, endpoint, exchange))
        elif self._web is not None and self._web.add_token(request, endpoint):
            try:
                await self._handler_of(endpoint)(request, target, exchange)
            except Unauthorized as error:
                # Without challenges, for which a browser would show a log-in of its own.
                raise Unauthorized(error.message) from error
        else:
            await self._handler_of(endpoint)(request, target, exchange)

    def _handler_of(self, endpoint: Endpoint) -> Callable[[Request, Target, Exchange], Awaitable[None]]:
        """Return the handler for requests that need credentials."""
        return self._introspection.handle if endpoint.action is _INTROSPECT else self._proxy.handle
