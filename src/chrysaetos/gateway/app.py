"""The ASGI application: one door in, one place where errors become answers."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, render
from chrysaetos.gateway.exchange import CLIENT_GONE, Exchange
from chrysaetos.gateway.health import Health
from chrysaetos.gateway.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy import Proxy
from chrysaetos.gateway.request import ClientGone, Request
from chrysaetos.tenancy.endpoints import Action, find

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from chrysaetos.access.grants import Access
    from chrysaetos.errors import Headers
    from chrysaetos.gateway.cors import Cors
    from chrysaetos.gateway.exchange import Observer
    from chrysaetos.gateway.health import IdentityProbe
    from chrysaetos.gateway.options import GatewayOptions
    from chrysaetos.gateway.proxy import Identity
    from chrysaetos.gateway.replicas import Pool
    from chrysaetos.gateway.request import Message, Receive, Send
    from chrysaetos.gateway.sharing import Sharing

    class FullIdentity(Identity, IdentityProbe, Protocol):
        """All that the application asks of an authenticator."""

        def close(self) -> None:
            """End what it started."""
            ...

    class Companion(Protocol):
        """Something that runs beside the application."""

        async def start(self) -> None:
            """Begin.

            Raises:
                OSError: it cannot.
            """
            ...

        async def close(self) -> None:
            """End."""
            ...


__all__ = ["Application", "create_app"]

_log = logging.getLogger(__name__)


def create_app(
    options: GatewayOptions,
    *,
    identity: FullIdentity,
    access: Access,
    upstream: Pool,
    limits: Limits | None = None,
    sharing: Sharing | None = None,
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
        cors: what pages of other origins may do; None for nothing.
        observers: who is told of each request.
        companions: what starts and ends with the application.
    """
    return Application(
        options,
        proxy=Proxy(
            options,
            identity=identity,
            access=access,
            upstream=upstream,
            limits=Limits(LimitOptions()) if limits is None else limits,
            sharing=sharing,
        ),
        health=Health(identity=identity, upstream=upstream, prefix=options.path_prefix),
        cors=cors,
        observers=observers,
        companions=(_Parts(identity, upstream), *companions),
    )


class _Parts:
    """What the application was given, as something that ends with it."""

    def __init__(self, identity: FullIdentity, upstream: Pool) -> None:
        self._identity = identity
        self._upstream = upstream

    async def start(self) -> None:
        """They begin with the first request."""

    async def close(self) -> None:
        await self._upstream.close()
        self._identity.close()


class Application:
    """The gateway as an ASGI 3 application. See :func:`create_app`."""

    def __init__(
        self,
        options: GatewayOptions,
        *,
        proxy: Proxy,
        health: Health,
        cors: Cors | None,
        observers: Sequence[Observer],
        companions: Sequence[Companion],
    ) -> None:
        self._options = options
        self._proxy = proxy
        self._health = health
        self._cors = cors
        self._observers = tuple(observers)
        self._companions = tuple(companions)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection scope of ASGI."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        exchange = Exchange(scope["method"], client[0] if client else "")
        for observer in self._observers:
            observer.begun(exchange)
        if self._cors is None:
            sending = _counting(exchange, send)
        else:
            allowed = self._cors.answering(exchange.method, scope["headers"])
            sending = _counting(exchange, send, allowed)
        try:
            await self._answer(scope, exchange, receive, sending)
        except ClientGone:
            exchange.status = exchange.status or CLIENT_GONE
        except asyncio.CancelledError:  # the server's word for the same
            exchange.status = exchange.status or CLIENT_GONE
            raise
        except ApiError as error:
            exchange.error = error.error_type
            await _respond(sending, render(error), head=exchange.method == "HEAD")
        except Exception:  # whatever it is, the caller gets an answer and no data
            _log.exception("%s failed", exchange.request_id)
            exchange.error = ApiError.error_type
            if not exchange.status:
                # Behind a started answer the server closes the connection instead.
                await _respond(sending, render(ApiError("an internal error; the gateway's log has more")))
        finally:
            exchange.ended = time.perf_counter()
            for observer in self._observers:
                observer.ended(exchange)

    async def _answer(self, scope: Message, exchange: Exchange, receive: Receive, send: Send) -> None:
        request = Request(scope, self._options)
        exchange.path = request.path
        if self._cors is not None and (preflight := self._cors.preflight(request)) is not None:
            exchange.endpoint, headers = preflight
            await _respond(send, (204, headers, b""))
            return
        target = find(request.method, request.path)
        exchange.endpoint = target.endpoint
        if target.endpoint.action is Action.OWN:
            answer = await self._health.answer(request, target.endpoint, scope["scheme"])
            await _respond(send, answer, head=request.method == "HEAD")
        else:
            await self._proxy.answer(request, target, exchange, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            for companion in self._companions:
                await companion.start()
        except OSError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for companion in self._companions:
            await companion.close()
        await send({"type": "lifespan.shutdown.complete"})


def _counting(exchange: Exchange, send: Send, allowed: Iterable[tuple[bytes, bytes]] = ()) -> Send:
    """A ``send`` that adds the request's id and CORS to the answer, and tells the exchange what was sent."""
    own = (*allowed, (b"x-openstack-request-id", exchange.request_id.encode("ascii")))

    async def counting(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            message["headers"] = [*message["headers"], *own]
        else:
            exchange.sent += len(message.get("body", b""))
            exchange.complete = not message.get("more_body", False)
        await send(message)

    return counting


async def _respond(send: Send, answer: tuple[int, Headers, bytes], *, head: bool = False) -> None:
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
