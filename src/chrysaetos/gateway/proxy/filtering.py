"""Filter responses that contain the data of several tenants.

The gateway reads such a response completely, filters it and writes it again. A response that is too long,
compressed, not JSON or not in Prometheus' format results in 502, and so does an error of the upstream,
without its text. If the engine does not serve the endpoint, it results in 404.

What the upstream sends depends on neither the caller nor the request's parameters, except for the names of
metrics. So all requests that wait for the same response share it, whatever their scopes are: a large one
takes Prometheus seconds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote_plus

from chrysaetos.errors import BadGateway, Unavailable
from chrysaetos.gateway.proxy.upstream_errors import check_served
from chrysaetos.http.upstream.response import BodyTooLong, UpstreamBroken
from chrysaetos.lru import Lru
from chrysaetos.tenancy.bodies import filter_body, refuse
from chrysaetos.tenancy.engine import NOTHING

if TYPE_CHECKING:
    from chrysaetos.gateway.proxy.offload import Offload
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.http.upstream.response import UpstreamResponse
    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.engine import Additions
    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.shapes import Asked

    _Headers = tuple[tuple[bytes, bytes], ...]

__all__ = ["FilteredEndpoints"]

_LOG = logging.getLogger(__name__)

_IN_PLACE_BYTES = 8 * 1024
"""Maximum size of parameters that are parsed, and of a response that is filtered, in the event loop, which
takes about 2 ms at most."""

_MAX_KEPT = 1024
_MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Maximum size of the cached targets of all scopes together. That of a thousand projects has 40 KiB."""

_HEADERS = ((b"accept-encoding", b"identity"),)
_TARGETS = {
    "targets": b"/api/v1/targets?state=active",
    "rules": b"/api/v1/rules",
    "alerts": b"/api/v1/rules?type=alert",
}


class _Fetch:
    """A request to the upstream, and the number of requests that wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[bytes]) -> None:
        self.task = task
        self.waiting = 0


class FilteredEndpoints:
    """Fetches and filters the responses for scoped callers.

    Args:
        upstream: the connections to Prometheus.
        timeout: seconds to wait for the upstream.
        bounds: limits on the query of a rule.
        limit: maximum bytes of a response of the upstream.
        offload: filters long responses.
        engine_name: the engine's name, for clients.
    """

    def __init__(
        self,
        upstream: Pool,
        *,
        timeout: float,
        bounds: Bounds,
        limit: int,
        offload: Offload,
        engine_name: str = "Prometheus",
    ) -> None:
        self._upstream = upstream
        self._timeout = timeout
        self._bounds = bounds
        self._limit = limit
        self._offload = offload
        # To encode the matcher of a thousand projects takes longer than all else that a request needs.
        self._names: Lru[str, bytes] = Lru(
            _MAX_KEPT, weigh=lambda matcher, target: len(matcher) + len(target), max_weight=_MAX_KEPT_BYTES
        )
        self._engine_name = engine_name
        self._fetches: dict[tuple[bytes, _Headers], _Fetch] = {}

    async def handle(
        self,
        endpoint: Endpoint,
        scope: Scope,
        project: str,
        query: bytes,
        additions: Additions = NOTHING,
    ) -> bytes:
        """Return the body of the response to a request.

        Args:
            endpoint: a row of the table with ``Action.FILTER``.
            scope: the caller's scope, not unrestricted.
            project: the key from ``account``.
            query: the parameters, checked and encoded again.
            additions: parameters and headers that scoped requests send to the engine.

        Raises:
            BadRequest: a parameter is invalid.
            BadGateway: the upstream's response is invalid. The message contains nothing of it.
            NotFound: the engine does not serve the endpoint.
            Unavailable: the upstream is not ready.
            TooManyRequests: the project has used its budget of CPU time.
        """
        try:
            short = len(query) <= _IN_PLACE_BYTES
            asked = await self._offload.run(project, parse_parameters, query, in_place=short)
            return await self._answer(endpoint, scope, project, asked, additions)
        except BadGateway as error:
            _LOG.error("cannot filter the response of %s: %s", endpoint.name, error)
            raise

    async def _answer(
        self, endpoint: Endpoint, scope: Scope, project: str, asked: Asked, additions: Additions
    ) -> bytes:
        headers = (*_HEADERS, *additions.headers)
        bodies: list[bytes] = []
        if endpoint.name == "metadata":
            target = self._names_target(scope)
            bodies.append(await self._ask(endpoint, additions.added_to(target), headers))
            metric = "".join(f"?metric={quote_plus(name)}" for name in asked.get("metric", ())[:1] if name)
            target = b"/api/v1/metadata" + metric.encode("ascii")
        else:
            target = _TARGETS[endpoint.name]
        bodies.append(await self._ask(endpoint, additions.added_to(target), headers))
        return await self._offload.run(
            project,
            filter_body,
            endpoint.name,
            bodies,
            scope,
            asked,
            self._bounds,
            in_place=sum(map(len, bodies)) <= _IN_PLACE_BYTES,
        )

    def _names_target(self, scope: Scope) -> bytes:
        """Return the target for the names of the metrics that have series in a scope."""
        target = self._names.get(scope.matcher)
        if target is None:
            selector = quote_plus(f"{{{scope.matcher}}}").encode("ascii")
            target = b"/api/v1/label/__name__/values?match[]=" + selector
            self._names.put(scope.matcher, target)
        return target

    async def _ask(self, endpoint: Endpoint, target: bytes, headers: _Headers) -> bytes:
        """Return the body of the upstream's response, or of the one that other requests wait for."""
        key = (target, headers)
        fetch = self._fetches.get(key)
        if fetch is None:
            fetch = _Fetch(asyncio.get_running_loop().create_task(self._fetch(endpoint, target, headers)))
            self._fetches[key] = fetch
        fetch.waiting += 1
        try:
            # A client that disconnects must not make the others wait for another response.
            return await asyncio.shield(fetch.task)
        finally:
            fetch.waiting -= 1
            if fetch.task.done() or not fetch.waiting:
                fetch.task.cancel()
                if self._fetches.get(key) is fetch:
                    del self._fetches[key]

    async def _fetch(self, endpoint: Endpoint, target: bytes, headers: _Headers) -> bytes:
        """Return the complete body of a successful response of the upstream."""
        response = await self._upstream.request(
            "GET", target, headers=headers, timeout=self._timeout, idempotent=True
        )
        response = await check_served(response, self._engine_name, endpoint.path)
        try:
            return await self._whole(response)
        except BodyTooLong as error:
            refuse(str(error))
        except UpstreamBroken:
            refuse("it was cut off")
        finally:
            response.abort()

    async def _whole(self, response: UpstreamResponse) -> bytes:
        if response.status == 503:
            raise Unavailable("Prometheus is not ready")
        if response.status != 200:
            refuse(f"its status is {response.status}")
        for name, value in response.headers:
            if name == b"content-encoding" and value.lower() != b"identity":
                refuse("it is compressed")
        return await response.read(self._limit)


def parse_parameters(query: bytes) -> dict[str, list[str]]:
    """Return the decoded parameters of an encoded query."""
    return parse_qs(query.decode("ascii"), keep_blank_values=True)
