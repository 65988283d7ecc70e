"""Identify the caller of a request and decide what the request may see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import BadRequest, Forbidden
from chrysaetos.headers import derived
from chrysaetos.tenancy.endpoints import Action

if TYPE_CHECKING:
    from chrysaetos.access.grants import Access
    from chrysaetos.errors import Headers
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.identity.caller import Authenticator, Caller
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.scope import Scope

__all__ = ["PROJECT_HEADER", "Permit", "grant", "identify", "permit"]

_OPERATOR = Action.OPERATOR  # looking up members of an Enum takes long
PROJECT_HEADER = b"x-chrysaetos-project"
"""Request header that restricts a request to one project. The response repeats it, so that a caller can tell
that its request was restricted: other servers, and older gateways, ignore the header."""
_PROJECT_ID = re.compile(rb"[!-+\--~]{1,255}")
"""Visible ASCII without a comma. Keystone's ids have up to 64 characters."""


async def identify(identity: Authenticator, request: Request, exchange: Exchange) -> Caller:
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
    if endpoint.action is _OPERATOR and not scope.unrestricted:
        raise Forbidden("this endpoint requires access to all projects")
    return scope


class Permit(NamedTuple):
    """What a request may see.

    Attributes:
        scope: its scope.
        project: the project that it asks to be restricted to; None if it names none.
        rule: the policy rule that lets the caller in.
    """

    scope: Scope
    project: str | None
    rule: str | None


async def permit(access: Access, caller: Caller, endpoint: Endpoint, request: Request) -> Permit:
    """Return what a request may see at an endpoint, which may be less than its caller may see.

    Raises:
        BadRequest: the header for a project is invalid, or the endpoint cannot be restricted to a project.
        Forbidden, Unavailable: as ``grant``; or the caller may not see the project.
    """
    scope = await grant(access, caller, endpoint)
    rule = endpoint.all_rule if scope.unrestricted else endpoint.own_rule
    project = derived(request.headers, _requested_project)
    if project is not None:
        if endpoint.own_rule is None:
            raise BadRequest("the response of this endpoint cannot be restricted to a project")
        scope = access.narrow(scope, project)
    return Permit(scope, project, rule)


def _requested_project(headers: Headers) -> str | None:
    """Return the project that a request asks to be restricted to; None if it names none.

    Raises:
        BadRequest: the header is given more than once, or its value is not the id of a project.
    """
    values = [value for name, value in headers if name == PROJECT_HEADER]
    if not values:
        return None
    if len(values) != 1 or not _PROJECT_ID.fullmatch(values[0]):
        raise BadRequest("X-Chrysaetos-Project must be the id of one project")
    return values[0].decode("ascii")
