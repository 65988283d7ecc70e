"""The application around a handler: creates an exchange for each request and renders errors."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, TooManyRequests, render
from chrysaetos.gateway.app.exchange import CLIENT_DISCONNECTED, Exchange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Protocol

    from chrysaetos.gateway.app.cors import Cors
    from chrysaetos.gateway.app.exchange import Observer
    from chrysaetos.http.types import HttpRequest, Part, Reply

    class Handler(Protocol):
        """Handles requests."""

        async def handle(self, received: HttpRequest, exchange: Exchange) -> None:
            """Respond to a request through its exchange, and record its details there.

            Raises:
                ApiError: the error to respond with; nothing has been sent.
            """
            ...


__all__ = ["Application", "Handler"]

_LOG = logging.getLogger(__name__)

_REFUSAL_SECONDS = 0.1
"""Time before a client is told that it sends too many requests. Else one that repeats them at once would cost
more by its refusals, thousands a second, than by what it may do."""


class Application:
    """The application; see ``http.types.Application``.

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
        services: Sequence[Part] = (),
        on_close: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._handler = handler
        self._cors = cors
        self._observers = tuple(observers)
        self._services = tuple(services)
        self._on_close = tuple(on_close)

    async def start(self) -> None:
        """Start the services.

        Raises:
            OSError: one cannot start.
        """
        for service in self._services:
            await service.start()

    async def close(self) -> None:
        """Stop the services, and release everything."""
        for service in reversed(self._services):
            await service.close()
        for close in self._on_close:
            await close()

    async def __call__(self, request: HttpRequest, reply: Reply) -> None:
        """Respond to a request."""
        headers = None if self._cors is None else self._cors.response_headers(request.method, request.headers)
        exchange = Exchange(request.method, request.client, reply, headers)
        try:
            await self._handle(request, exchange)
        except asyncio.CancelledError:  # the server cancels the task when the client disconnects
            exchange.status = exchange.status or CLIENT_DISCONNECTED
            raise
        finally:
            exchange.ended = time.perf_counter()
            for observer in self._observers:
                observer.on_end(exchange)

    async def _handle(self, request: HttpRequest, exchange: Exchange) -> None:
        try:
            await self._handler.handle(request, exchange)
        except ApiError as error:
            exchange.error = error.error_type
            if isinstance(error, TooManyRequests):
                request.body = b""
                await asyncio.sleep(_REFUSAL_SECONDS)
            await exchange.respond(render(error))
        except Exception:  # the caller gets an error without details
            _LOG.exception("%s failed", exchange.request_id)
            exchange.error = ApiError.error_type
            if not exchange.status:
                # If the response has started, the server closes the connection instead.
                await exchange.respond(render(ApiError("internal error; see the gateway's log")))
