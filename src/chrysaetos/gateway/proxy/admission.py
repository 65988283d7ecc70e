"""Identify the caller of a request and decide what it may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.errors import Forbidden
from chrysaetos.tenancy.endpoints import Action

if TYPE_CHECKING:
    from typing import Protocol

    from chrysaetos.access.grants import Access
    from chrysaetos.gateway.asgi.exchange import Exchange
    from chrysaetos.gateway.asgi.request import Request
    from chrysaetos.identity.caller import Authenticator, Caller
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.scope import Scope

    class Identity(Authenticator, Protocol):
        """An authenticator with a cache of callers."""

        def cached(self, headers: list[tuple[bytes, bytes]]) -> Caller | None:
            """Return the cached caller, or None if ``identify`` must be awaited."""
            ...


__all__ = ["grant", "identify"]


async def identify(identity: Identity, request: Request, exchange: Exchange) -> Caller:
    """Return the caller of a request, and record it on the exchange.

    Raises:
        ApiError: the caller is unknown, or Keystone cannot be reached.
    """
    caller = identity.cached(request.headers)
    if caller is None:
        caller = await identity.identify(request.headers, request.method, request.path, exchange.client)
    exchange.caller = caller
    return caller


async def grant(access: Access, caller: Caller, endpoint: Endpoint) -> Scope:
    """Return what a caller may see at an endpoint.

    Raises:
        Forbidden: the caller may see nothing, or the endpoint requires access to all projects.
        Unavailable: the projects of the caller's domain could not be read from Keystone.
    """
    scope = await access.grant(caller, endpoint)
    if endpoint.action is Action.OPERATOR and not scope.unrestricted:
        raise Forbidden("this endpoint requires access to all projects")
    return scope
