"""What a query costs: the engine's estimate, and errors of queries that exceed their budget."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ApiError, BudgetExceeded
from chrysaetos.gateway.proxy.upstream_errors import MAX_ERROR_BYTES, error_of
from chrysaetos.http.upstream.response import BodyTooLong, UpstreamBroken
from chrysaetos.tenancy.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.http.upstream.response import UpstreamResponse
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.engine import Additions
    from chrysaetos.tenancy.parameters import BoundParameters

__all__ = ["COST_ENDPOINTS", "Costs", "exceeded_limit"]

_BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
COST_ENDPOINTS = {
    _BY_NAME["query"]: _BY_NAME["query_cost"],
    _BY_NAME["query_range"]: _BY_NAME["query_range_cost"],
}
"""The endpoint that estimates the cost, by the endpoint of the query."""

_HEADERS = (
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"accept-encoding", b"identity"),
)
_DURATIONS = ("timeout", "max_query_duration")
_TIMEOUT_EXCEEDED = "timeout exceeded "
_SECONDS = re.compile(
    r"[^:]*: ([0-9]+\.[0-9]+) seconds \(elapsed [0-9.]+ seconds\)"
    r"(?:; the timeout can be adjusted with `[^`]+` command-line flag)?\Z"
)
"""The rest of such an error of VictoriaMetrics (``searchutil.Deadline``), with the timeout in force: its own
if that is shorter. The error may quote the query before it."""


class Costs:
    """Asks the engine what queries cost.

    Args:
        upstream: the connections to the engine.
        timeout: seconds to wait for it.
    """

    def __init__(self, upstream: Pool, timeout: float) -> None:
        self._upstream = upstream
        self._timeout = timeout

    async def estimate(
        self, endpoint: Endpoint, bound: BoundParameters, additions: Additions
    ) -> dict[str, int] | None:
        """Return how many series and samples a query will read; None if the engine does not say it.

        Args:
            endpoint: the endpoint that estimates the cost.
            bound: the scoped parameters of the query.
            additions: parameters and headers that scoped requests send to the engine.
        """
        pieces = (bound.url, bound.body or b"", additions.parameters)
        try:
            response = await self._upstream.request(
                "POST",
                endpoint.path.encode("ascii"),
                body=b"&".join(piece for piece in pieces if piece),
                headers=[*_HEADERS, *additions.headers],
                timeout=self._timeout,
                idempotent=True,
            )
        except ApiError:
            return None
        try:
            content = json.loads(await response.read(MAX_ERROR_BYTES)) if response.status == 200 else {}
            estimate = content["data"]["estimate"]
            return {"series": int(estimate["seriesTouched"]), "samples": int(estimate["samplesRead"])}
        except (BodyTooLong, UpstreamBroken, ValueError, KeyError, TypeError):
            return None
        finally:
            response.abort()

    async def check(
        self,
        response: UpstreamResponse,
        endpoint: Endpoint,
        bound: BoundParameters,
        additions: Additions,
        limits: Mapping[str, str],
    ) -> None:
        """Check that an error is not about a limit of the budget.

        Args:
            response: a complete error.
            endpoint: the endpoint of the query.
            bound: the scoped parameters of the query.
            additions: parameters and headers that scoped requests send to the engine.
            limits: the limits of the budget that are in force, by parameter.

        Raises:
            BudgetExceeded: the query exceeds the budget.
        """
        limit = exceeded_limit(response.status, error_of(response), limits)
        if limit is None:
            return
        message = f"the query exceeds its budget: {limit} is {limits[limit]}"
        of_cost = COST_ENDPOINTS.get(endpoint)
        cost = await self.estimate(of_cost, bound, additions) if of_cost is not None else None
        if cost is not None:
            message += f", and it would read about {cost['series']} series and {cost['samples']} samples"
        raise BudgetExceeded(f"{message}. Select fewer series or a shorter time")


def exceeded_limit(status: int, error: Mapping[str, Any], limits: Mapping[str, str]) -> str | None:
    """Return the limit that an error is about; None if it is about something else.

    Args:
        status: the status of the response.
        error: the error in Prometheus' format.
        limits: the limits of the budget that are in force, by parameter; of the durations, only the shortest.
    """
    message = error.get("error", "")
    if error.get("errorType") == "cost_limit":
        name = "max_series" if "too many series" in message else "max_samples_read"
        return name if name in limits else None
    # A query that waited too long for its turn says nothing of its own cost.
    if status == 503 and error.get("errorType") == "timeout" and "queue" not in message:
        return next((name for name in _DURATIONS if name in limits), None)
    _, _, rest = message.rpartition(_TIMEOUT_EXCEEDED)
    found = _SECONDS.match(rest)
    if found and f"{float(found[1]):g}s" == limits.get("timeout"):
        return "timeout"
    return None
