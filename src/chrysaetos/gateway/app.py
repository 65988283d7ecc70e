"""The ASGI application: one door in, one place where errors become answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, render
from chrysaetos.gateway.health import Health
from chrysaetos.gateway.proxy import Proxy
from chrysaetos.gateway.request import ClientGone, Request
from chrysaetos.tenancy.endpoints import Action, find

if TYPE_CHECKING:
    from typing import Protocol

    from chrysaetos.access.grants import Access
    from chrysaetos.errors import Headers
    from chrysaetos.gateway.health import IdentityProbe
    from chrysaetos.gateway.options import GatewayOptions
    from chrysaetos.gateway.proxy import Identity
    from chrysaetos.gateway.request import Message, Receive, Send
    from chrysaetos.gateway.upstream import Upstream

    class FullIdentity(Identity, IdentityProbe, Protocol):
        """All that the application asks of an authenticator."""

        def close(self) -> None:
            """End what it started."""
            ...


__all__ = ["Application", "create_app"]

_log = logging.getLogger(__name__)


def create_app(
    options: GatewayOptions, *, identity: FullIdentity, access: Access, upstream: Upstream
) -> Application:
    """The application, put together from its parts.

    Args:
        options: limits and times.
        identity: says who is asking.
        access: says what they may see.
        upstream: the connections to Prometheus.
    """
    return Application(options, identity=identity, access=access, upstream=upstream)


class Application:
    """The gateway as an ASGI 3 application. See :func:`create_app`."""

    def __init__(
        self, options: GatewayOptions, *, identity: FullIdentity, access: Access, upstream: Upstream
    ) -> None:
        self._options = options
        self._identity = identity
        self._upstream = upstream
        self._proxy = Proxy(options, identity=identity, access=access, upstream=upstream)
        self._health = Health(identity=identity, upstream=upstream, prefix=options.path_prefix)

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
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            request = Request(scope, self._options)
            target = find(request.method, request.path)
            if target.endpoint.action is not Action.OWN:
                await self._proxy.answer(request, target, receive, sending)
                return
            answer = await self._health.answer(request, target.endpoint, scope["scheme"])
            await _respond(sending, answer, head=request.method == "HEAD")
        except ClientGone:
            return
        except ApiError as error:
            await _respond(send, render(error), head=scope["method"] == "HEAD")
        except Exception:  # whatever it is, the caller gets an answer and no data
            # A defect. The answer says nothing of it; after a started one the server closes the connection.
            _log.exception("a request failed")
            if not started:
                await _respond(send, render(ApiError("an internal error; the gateway's log has more")))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
                continue
            await self._upstream.close()
            self._identity.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _respond(send: Send, answer: tuple[int, Headers, bytes], *, head: bool = False) -> None:
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
