"""The ASGI application around a handler: creates an exchange for each request and renders errors."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, render
from chrysaetos.gateway.asgi.exchange import CLIENT_DISCONNECTED, Exchange
from chrysaetos.gateway.asgi.request import ClientDisconnected
from chrysaetos.http.server.responses import send_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import Protocol

    from chrysaetos.gateway.asgi.cors import Cors
    from chrysaetos.gateway.asgi.exchange import Observer
    from chrysaetos.http.types import Message, Receive, Send

    class Handler(Protocol):
        """Handles requests."""

        async def handle(self, scope: Message, exchange: Exchange, receive: Receive, send: Send) -> None:
            """Handle a request and record its details on the exchange.

            Raises:
                ApiError: the error to respond with; nothing has been sent.
                ClientDisconnected: the client has disconnected.
            """
            ...

    class LifespanService(Protocol):
        """A service that starts and stops with the application."""

        async def start(self) -> None:
            """Start.

            Raises:
                OSError: the service cannot start.
            """
            ...

        async def close(self) -> None:
            """Stop."""
            ...


__all__ = ["Application", "Handler", "LifespanService"]

_LOG = logging.getLogger(__name__)


class Application:
    """An ASGI 3 application.

    Args:
        handler: handles the requests.
        cors: the rules for pages of other origins; None to allow none.
        observers: observers of each request.
        services: services that start and stop with the application.
        on_close: called in order at shutdown, after the services have stopped.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        cors: Cors | None = None,
        observers: Sequence[Observer] = (),
        services: Sequence[LifespanService] = (),
        on_close: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._handler = handler
        self._cors = cors
        self._observers = tuple(observers)
        self._services = tuple(services)
        self._on_close = tuple(on_close)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve an ASGI connection scope."""
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
            observer.on_start(exchange)
        if self._cors is None:
            sending = _counting(exchange, send)
        else:
            allowed = self._cors.response_headers(exchange.method, scope["headers"])
            sending = _counting(exchange, send, allowed)
        try:
            await self._handler.handle(scope, exchange, receive, sending)
        except ClientDisconnected:
            exchange.status = exchange.status or CLIENT_DISCONNECTED
        except asyncio.CancelledError:  # the server cancels the task when the client disconnects
            exchange.status = exchange.status or CLIENT_DISCONNECTED
            raise
        except ApiError as error:
            exchange.error = error.error_type
            await send_response(sending, render(error), head=exchange.method == "HEAD")
        except Exception:  # the caller gets an error without details
            _LOG.exception("%s failed", exchange.request_id)
            exchange.error = ApiError.error_type
            if not exchange.status:
                # If the response has started, the server closes the connection instead.
                await send_response(sending, render(ApiError("internal error; see the gateway's log")))
        finally:
            exchange.ended = time.perf_counter()
            for observer in self._observers:
                observer.on_end(exchange)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            for service in self._services:
                await service.start()
        except OSError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for service in reversed(self._services):
            await service.close()
        for close in self._on_close:
            await close()
        await send({"type": "lifespan.shutdown.complete"})


def _counting(exchange: Exchange, send: Send, allowed: Iterable[tuple[bytes, bytes]] = ()) -> Send:
    """Return a ``send`` that adds the request's id and CORS headers, and records status and bytes."""
    own = (*allowed, exchange.id_header)

    def counting(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            message["headers"] = [*message["headers"], *own]
        else:
            exchange.sent += len(message.get("body", b""))
            exchange.complete = not message.get("more_body", False)
        return send(message)

    return counting
