"""The options of the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.promql.parser import DEFAULT_BOUNDS, Bounds
from chrysaetos.tenancy.engine import ALONE, EngineScoping

if TYPE_CHECKING:
    from chrysaetos.gateway.proxy.admission import Permit
    from chrysaetos.gateway.proxy.query_budgets import QueryBudget, QueryBudgets
    from chrysaetos.identity.caller import Caller
    from chrysaetos.tenancy.endpoints import Endpoint

__all__ = ["GatewayOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """The options of the application.

    Attributes:
        path_prefix: the prefix that is removed from paths.
        max_url_bytes, max_body_bytes: limits on a request.
        max_read_bytes: limit on the message of a remote read, decompressed.
        bounds: limits on a PromQL text.
        timeout: seconds to wait for the upstream.
        max_response_bytes: limit on the body of a response, as sent; 0 for no limit.
        max_filtered_bytes: limit on a response of the upstream that is filtered.
        engine: what scoped requests send to the engine.
        engine_name: the engine's name, for clients.
        engine_warns_of_stores: whether successful responses may have warnings about the engine's stores.
        budgets: the query budgets of scoped callers; None if there are none.
    """

    path_prefix: str = ""
    max_url_bytes: int = 128 * 1024
    max_body_bytes: int = 1024 * 1024
    max_read_bytes: int = 1024 * 1024
    bounds: Bounds = DEFAULT_BOUNDS
    timeout: float = 130.0
    max_response_bytes: int = 0
    max_filtered_bytes: int = 16 * 1024 * 1024
    engine: EngineScoping = ALONE
    engine_name: str = "Prometheus"
    engine_warns_of_stores: bool = False
    budgets: QueryBudgets | None = None

    def budget(self, caller: Caller, endpoint: Endpoint, permit: Permit) -> QueryBudget | None:
        """Return the budget of a request; None if it has no limit.

        Args:
            caller: the caller.
            endpoint: the endpoint.
            permit: what the request may see.
        """
        if self.budgets is None or not endpoint.evaluates or permit.scope.unrestricted:
            return None
        if permit.project is not None and permit.rule == endpoint.all_rule:
            return self.budgets.of_project(permit.project)
        return self.budgets.of(caller, permit.project)
