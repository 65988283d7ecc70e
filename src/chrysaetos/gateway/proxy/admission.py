"""Identify the caller of a request and decide what the request may see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest, Forbidden
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


__all__ = ["PROJECT_HEADER", "grant", "identify", "narrow", "requested_project"]

PROJECT_HEADER = b"x-chrysaetos-project"
"""Request header that restricts a request to one project. The response repeats it, so that a caller can tell
that its request was restricted: other servers, and older gateways, ignore the header."""
_PROJECT_ID = re.compile(rb"[!-+\--~]{1,255}")
"""Visible ASCII without a comma. Keystone's ids have up to 64 characters."""


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


def requested_project(request: Request) -> str | None:
    """Return the project that a request asks to be restricted to; None if it names none.

    Raises:
        BadRequest: the header is given more than once, or its value is not the id of a project.
    """
    if request.header(PROJECT_HEADER) is None:
        return None
    values = [value for name, value in request.headers if name == PROJECT_HEADER]
    if len(values) != 1 or not _PROJECT_ID.fullmatch(values[0]):
        raise BadRequest("X-Chrysaetos-Project must be the id of one project")
    return values[0].decode("ascii")


def narrow(access: Access, endpoint: Endpoint, scope: Scope, project: str) -> Scope:
    """Return the scope of one project out of those that a caller may see.

    Raises:
        BadRequest: the endpoint cannot be restricted to a project.
        Forbidden: the caller may not see the project.
    """
    if endpoint.own_rule is None:
        raise BadRequest("the response of this endpoint cannot be restricted to a project")
    return access.narrow(scope, project)
