"""The ASGI application around a door: an exchange for each request; and errors become answers."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, render
from chrysaetos.gateway.asgi.exchange import CLIENT_GONE, Exchange
from chrysaetos.gateway.asgi.request import ClientGone
from chrysaetos.http.server.pages import respond

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import Protocol

    from chrysaetos.gateway.asgi.cors import Cors
    from chrysaetos.gateway.asgi.exchange import Observer
    from chrysaetos.http.types import Message, Receive, Send

    class Door(Protocol):
        """What answers requests."""

        async def answer(self, scope: Message, exchange: Exchange, receive: Receive, send: Send) -> None:
            """Answer a request, and fill in what becomes known of it.

            Raises:
                ApiError: the answer is this error; nothing has been sent.
                ClientGone: there is nobody to answer.
            """
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


__all__ = ["Application", "Companion", "Door"]

_log = logging.getLogger(__name__)


class Application:
    """An ASGI 3 application.

    Args:
        door: answers the requests.
        cors: what pages of other origins may do; None for nothing.
        observers: who is told of each request.
        companions: what starts and ends with the application.
        on_close: called in turn at the end, after the companions have ended.
    """

    def __init__(
        self,
        door: Door,
        *,
        cors: Cors | None = None,
        observers: Sequence[Observer] = (),
        companions: Sequence[Companion] = (),
        on_close: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._door = door
        self._cors = cors
        self._observers = tuple(observers)
        self._companions = tuple(companions)
        self._on_close = tuple(on_close)

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
            await self._door.answer(scope, exchange, receive, sending)
        except ClientGone:
            exchange.status = exchange.status or CLIENT_GONE
        except asyncio.CancelledError:  # the server's word for the same
            exchange.status = exchange.status or CLIENT_GONE
            raise
        except ApiError as error:
            exchange.error = error.error_type
            await respond(sending, render(error), head=exchange.method == "HEAD")
        except Exception:  # whatever it is, the caller gets an answer and no data
            _log.exception("%s failed", exchange.request_id)
            exchange.error = ApiError.error_type
            if not exchange.status:
                # Behind a started answer the server closes the connection instead.
                await respond(sending, render(ApiError("an internal error; the gateway's log has more")))
        finally:
            exchange.ended = time.perf_counter()
            for observer in self._observers:
                observer.ended(exchange)

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
        for companion in reversed(self._companions):
            await companion.close()
        for close in self._on_close:
            await close()
        await send({"type": "lifespan.shutdown.complete"})


def _counting(exchange: Exchange, send: Send, allowed: Iterable[tuple[bytes, bytes]] = ()) -> Send:
    """A ``send`` that adds the request's id and CORS to the answer, and tells the exchange what was sent."""
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
