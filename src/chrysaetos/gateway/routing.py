"""The gateway's application, put together from its parts: which of them answers a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.gateway.asgi.application import Application
from chrysaetos.gateway.asgi.request import Request
from chrysaetos.gateway.own.health import Health, json_answer
from chrysaetos.gateway.own.introspection import About
from chrysaetos.gateway.own.openapi import document
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.proxy import Proxy
from chrysaetos.http.server.pages import respond
from chrysaetos.tenancy.endpoints import Action
from chrysaetos.tenancy.paths import find_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from chrysaetos.access.grants import Access
    from chrysaetos.gateway.asgi.application import Companion
    from chrysaetos.gateway.asgi.cors import Cors
    from chrysaetos.gateway.asgi.exchange import Exchange, Observer
    from chrysaetos.gateway.federate.handler import GateDoor
    from chrysaetos.gateway.own.health import IdentityProbe
    from chrysaetos.gateway.proxy.admission import Identity
    from chrysaetos.gateway.proxy.coalescing import Sharing
    from chrysaetos.gateway.proxy.options import GatewayOptions
    from chrysaetos.http.types import Message, Receive, Send
    from chrysaetos.http.upstream.replicas import Pool

    class FullIdentity(Identity, IdentityProbe, Protocol):
        """All that the application asks of an authenticator."""

        async def close(self) -> None:
            """End what it started."""
            ...


__all__ = ["create_app"]


def create_app(
    options: GatewayOptions,
    *,
    identity: FullIdentity,
    access: Access,
    upstream: Pool,
    limits: Limits | None = None,
    sharing: Sharing | None = None,
    gate: GateDoor | None = None,
    cors: Cors | None = None,
    observers: Sequence[Observer] = (),
    companions: Sequence[Companion] = (),
) -> Application:
    """The application, put together from its parts.

    Args:
        options: limits and times.
        identity: says who is asking.
        access: says what they may see.
        upstream: the connections to Prometheus.
        limits: how many requests may be under way; the defaults if None.
        sharing: where identical reads share a request; None to send each.
        gate: answers portals; None where there are none.
        cors: what pages of other origins may do; None for nothing.
        observers: who is told of each request.
        companions: what starts and ends with the application.
    """
    doors = _Doors(
        options,
        proxy=Proxy(
            options,
            identity=identity,
            access=access,
            upstream=upstream,
            limits=Limits(LimitOptions()) if limits is None else limits,
            sharing=sharing,
        ),
        about=About(identity=identity, access=access, bounds=options.bounds),
        health=Health(identity=identity, upstream=upstream, prefix=options.path_prefix),
        gate=gate,
        cors=cors,
    )
    return Application(
        doors,
        cors=cors,
        observers=observers,
        companions=companions,
        on_close=(upstream.close, identity.close),
    )


class _Doors:
    """Sends each request to the part that answers it."""

    def __init__(
        self,
        options: GatewayOptions,
        *,
        proxy: Proxy,
        about: About,
        health: Health,
        gate: GateDoor | None,
        cors: Cors | None,
    ) -> None:
        self._options = options
        self._proxy = proxy
        self._about = about
        self._health = health
        self._gate = gate
        self._cors = cors
        self._openapi = json_answer(200, document(options.path_prefix))

    async def answer(self, scope: Message, exchange: Exchange, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, self._options)
        exchange.path = request.path
        if self._gate is not None and self._gate.takes(request):
            await self._gate.answer(request, exchange, send)
            return
        target = find_path(request.path)
        exchange.endpoint = endpoint = target.endpoint
        if self._cors is not None and (preflight := self._cors.preflight(request)) is not None:
            await respond(send, (204, preflight[1], b""))
            return
        endpoint.check_method(request.method)
        if endpoint.action is Action.OWN:
            if endpoint.name == "openapi":
                answer = self._openapi
            else:
                answer = await self._health.answer(request, endpoint, scope["scheme"])
            await respond(send, answer, head=request.method == "HEAD")
        elif endpoint.action is Action.ABOUT:
            await respond(send, await self._about.answer(request, endpoint, exchange, receive))
        else:
            await self._proxy.answer(request, target, exchange, receive, send)
