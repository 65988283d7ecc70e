"""Show callers who they are to the gateway, and how it rewrites their requests.

Both use the code that serves requests. Only the cost of a query, if it is asked for, comes from the upstream.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ApiError, BadRequest, Forbidden, NotFound, QueryError
from chrysaetos.gateway.proxy.admission import grant, identify, permit
from chrysaetos.gateway.proxy.costs import COST_ENDPOINTS
from chrysaetos.gateway.proxy.limits import Slot, account
from chrysaetos.http.server.responses import json_response
from chrysaetos.identity.basic import parse_login
from chrysaetos.identity.credentials import Kind as Credential
from chrysaetos.identity.credentials import pick
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.parameters import Text
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.urlencoded import count_parameters, values_of

if TYPE_CHECKING:
    from chrysaetos.access.grants import Access
    from chrysaetos.errors import Headers
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.gateway.proxy.costs import Costs
    from chrysaetos.gateway.proxy.limits import Limits
    from chrysaetos.gateway.proxy.options import GatewayOptions
    from chrysaetos.gateway.proxy.scoping import Scoping
    from chrysaetos.http.server.responses import Response
    from chrysaetos.identity.caller import Authenticator, Caller
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.paths import Target

__all__ = ["Introspection"]

_DEFAULT_PATH = "/api/v1/query"


class Introspection:
    """Handles ``whoami`` and ``explain``.

    Args:
        identity: identifies callers.
        access: decides what callers may see.
        limits: the limits on concurrent requests.
        scoping: scopes the texts to explain.
        options: the query budgets, and what scoped requests send to the engine.
        costs: asks the engine what queries cost.
    """

    def __init__(
        self,
        *,
        identity: Authenticator,
        access: Access,
        limits: Limits,
        scoping: Scoping,
        options: GatewayOptions,
        costs: Costs,
    ) -> None:
        self._identity = identity
        self._access = access
        self._limits = limits
        self._scoping = scoping
        self._options = options
        self._costs = costs
        # Only PromQL is explained, so an explanation of a range needs no times.
        self._texts_of = {
            endpoint: replace(
                endpoint,
                parameters={name: one for name, one in endpoint.parameters.items() if one.is_promql},
            )
            for endpoint in ENDPOINTS
        }

    async def handle(self, request: Request, target: Target, exchange: Exchange) -> None:
        """Handle ``whoami`` or ``explain`` and record details on the exchange.

        Raises:
            ApiError: the error to respond with. For ``explain``, it is the error that the explained
                request would get, unless the upstream does not serve its path.
        """
        caller = await identify(self._identity, request, exchange)
        if target.endpoint.name == "whoami":
            await exchange.respond(_success(await self._whoami(caller, request.headers)))
            return
        project = account(caller)
        await self._limits.acquire(project)
        with Slot(self._limits, project, exchange.abort) as slot:
            response = _success(await self._explain(caller, request, exchange))
            slot.start_sending()  # an explanation may have megabytes
            await exchange.respond(response)

    async def _whoami(self, caller: Caller, headers: Headers) -> dict[str, Any]:
        rules: dict[str, str] = {}
        for endpoint in ENDPOINTS:
            if endpoint.guarded:
                rules[endpoint.rule.removesuffix(":own_project")] = await self._reach(caller, endpoint)
                # A decision that is not cached takes up to a millisecond: let other requests run in between.
                await asyncio.sleep(0)
        return {
            "user": {
                "id": caller.user_id,
                "name": caller.user_name,
                "domain_id": caller.user_domain_id,
            },
            "scope": _scope_kind(caller),
            "project": None
            if caller.project_id is None
            else {
                "id": caller.project_id,
                "name": caller.project_name,
                "domain_id": caller.project_domain_id,
            },
            "domain_id": caller.domain_id,
            "roles": list(caller.roles),
            "service_roles": list(caller.service_roles),
            "credential": _credential(headers),
            "access_rules": caller.restricted,
            "expires_at": caller.expires_at if 0 < caller.expires_at < math.inf else None,
            "rules": rules,
        }

    async def _reach(self, caller: Caller, endpoint: Endpoint) -> str:
        """Return the scope that the policy gives a caller at an endpoint."""
        try:
            scope = await grant(self._access, caller, endpoint)
        except Forbidden:
            return "none"
        if scope.unrestricted:
            return "all_projects"
        return "project" if caller.domain_id is None else "domain"

    async def _explain(self, caller: Caller, request: Request, exchange: Exchange) -> dict[str, Any]:
        form = request.form if request.method == "POST" else b""
        endpoint = _explained(request.query, form)
        permitted = await permit(self._access, caller, endpoint, request)
        scope, wanted, rule = permitted
        exchange.scope = scope
        texts_of = self._texts_of[endpoint]
        try:
            bound = await self._scoping.bind(texts_of, scope, account(caller, wanted), request.query, form)
        except QueryError as error:
            exchange.texts = (Text(error.text, ""),)
            raise
        exchange.texts = bound.texts
        budget = self._options.budget(caller, endpoint, permitted)
        return {
            "endpoint": endpoint.name,
            "action": endpoint.action.value,
            "rule": rule,
            "unrestricted": scope.unrestricted,
            "label": scope.label or None,
            "values": list(scope.values),
            "texts": [
                {"name": name, "given": text.original, "sent": text.sent}
                for name in texts_of.parameters  # at most one
                for text in bound.texts
            ],
            "budget": {} if budget is None else budget.shown(),
            "cost": await self._cost(caller, endpoint, request, form),
        }

    async def _cost(
        self, caller: Caller, endpoint: Endpoint, request: Request, form: bytes
    ) -> dict[str, int] | None:
        """Return what the query will read; None if that is not asked for, or the engine does not say it.

        Raises:
            ApiError: as for a request for the cost.
        """
        of_cost = COST_ENDPOINTS.get(endpoint)
        if of_cost is None or "true" not in (*values_of("cost", request.query), *values_of("cost", form)):
            return None
        scope, wanted, _ = await permit(self._access, caller, of_cost, request)
        bound = await self._scoping.bind(of_cost, scope, account(caller, wanted), request.query, form)
        return await self._costs.estimate(of_cost, bound, self._options.engine.additions(scope))


def _success(data: dict[str, Any]) -> Response:
    """Return a response in Prometheus' format."""
    return json_response(200, {"status": "success", "data": data})


def _scope_kind(caller: Caller) -> str:
    """Return the kind of scope of the caller's token."""
    if caller.project_id is not None:
        return "project"
    if caller.domain_id is not None:
        return "domain"
    return "none" if caller.system_scope is None else "system"


def _credential(headers: Headers) -> str | None:
    """Return the kind of credential that was sent; None if it is invalid, which only ``noauth`` permits."""
    try:
        kind, secret, _ = pick(headers)
        if kind is Credential.BASIC:
            return "application_credential" if parse_login(secret).user is None else "password"
    except (ApiError, ValueError):
        return None
    return "token" if kind is Credential.TOKEN else None


def _explained(*places: bytes) -> Endpoint:
    """Return the endpoint of the parameter ``path``.

    Raises:
        BadRequest: the parameter is given more than once, the upstream does not serve the path, or there are
            too many parameters.
    """
    count_parameters(*places)
    paths = [path for place in places for path in values_of("path", place)]
    if len(paths) > 1:
        raise BadRequest('the parameter "path" is given more than once: send it once')
    try:
        endpoint = find_path(paths[0] if paths else _DEFAULT_PATH).endpoint
    except NotFound as error:
        raise BadRequest(f'invalid parameter "path": {error}') from None
    if not endpoint.guarded:
        raise BadRequest('invalid parameter "path": the gateway answers this path itself')
    return endpoint
