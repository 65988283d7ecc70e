"""Filter responses that contain the data of several tenants.

The gateway reads such a response completely, filters it and writes it again. A response that is too long,
compressed, not JSON or not in Prometheus' format results in 502, and so does an error of the upstream,
without its text.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote_plus

from chrysaetos.errors import BadGateway, Unavailable
from chrysaetos.http.upstream.response import BodyTooLong, UpstreamBroken
from chrysaetos.tenancy.engine import NOTHING
from chrysaetos.tenancy.filters import filter_metadata, filter_targets
from chrysaetos.tenancy.rules import filter_alerts, filter_rules
from chrysaetos.tenancy.shapes import as_list, as_object, as_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import NoReturn

    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.http.upstream.response import UpstreamResponse
    from chrysaetos.promql.parser import Bounds
    from chrysaetos.tenancy.endpoints import Endpoint
    from chrysaetos.tenancy.engine import Additions
    from chrysaetos.tenancy.scope import Scope
    from chrysaetos.tenancy.shapes import Asked

__all__ = ["FilteredEndpoints"]

_LOG = logging.getLogger(__name__)

_IN_PLACE = 64 * 1024
"""Maximum bytes to filter in the event loop's thread; with more, other requests would wait."""

_HEADERS = ((b"accept-encoding", b"identity"),)


class FilteredEndpoints:
    """Fetches and filters the responses for scoped callers.

    Args:
        upstream: the connections to Prometheus.
        timeout: seconds to wait for the upstream.
        bounds: limits on the query of a rule.
        limit: maximum bytes of a response of the upstream.
    """

    def __init__(self, upstream: Pool, *, timeout: float, bounds: Bounds, limit: int) -> None:
        self._upstream = upstream
        self._timeout = timeout
        self._bounds = bounds
        self._limit = limit

    async def handle(
        self, endpoint: Endpoint, scope: Scope, query: bytes, additions: Additions = NOTHING
    ) -> bytes:
        """Return the body of the response to a request.

        Args:
            endpoint: a row of the table with ``Action.FILTER``.
            scope: the caller's scope, not unrestricted.
            query: the parameters, checked and encoded again.
            additions: parameters and headers that scoped requests send to the engine.

        Raises:
            BadRequest: a parameter is invalid.
            BadGateway: the upstream's response is invalid. The message contains nothing of it.
            Unavailable: the upstream is not ready.
        """
        try:
            asked = parse_qs(query.decode("ascii"), keep_blank_values=True)
            return await self._answer(endpoint, scope, asked, additions)
        except BadGateway as error:
            _LOG.error("cannot filter the response of %s: %s", endpoint.name, error)
            raise

    async def _answer(self, endpoint: Endpoint, scope: Scope, asked: Asked, additions: Additions) -> bytes:
        bounds = self._bounds

        def ask(target: bytes) -> Awaitable[bytes]:
            return self._ask(additions.added_to(target), (*_HEADERS, *additions.headers))

        if endpoint.name == "targets":
            body = await ask(b"/api/v1/targets?state=active")
            return await _made(body, lambda data: filter_targets(data, scope, asked))
        if endpoint.name == "rules":
            body = await ask(b"/api/v1/rules")
            return await _made(body, lambda data: filter_rules(data, scope, asked, bounds))
        if endpoint.name == "alerts":
            body = await ask(b"/api/v1/rules?type=alert")
            return await _made(body, lambda data: filter_alerts(data, scope, bounds))
        if endpoint.name == "metadata":
            selector = quote_plus(f"{{{scope.matcher}}}").encode("ascii")
            names = await ask(b"/api/v1/label/__name__/values?match[]=" + selector)
            metric = "".join(f"?metric={quote_plus(name)}" for name in asked.get("metric", ())[:1] if name)
            body = await ask(b"/api/v1/metadata" + metric.encode("ascii"))
            return await _made(body, lambda data: filter_metadata(data, _names(names), asked))
        raise LookupError(f"no filter for {endpoint.name}")

    async def _ask(self, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the complete body of a successful response of the upstream."""
        response = await self._upstream.request(
            "GET", target, headers=headers, timeout=self._timeout, idempotent=True
        )
        try:
            return await self._whole(response)
        except BodyTooLong as error:
            _refuse(str(error))
        except UpstreamBroken:
            _refuse("it was cut off")
        finally:
            response.abort()

    async def _whole(self, response: UpstreamResponse) -> bytes:
        if response.status == 503:
            raise Unavailable("Prometheus is not ready")
        if response.status != 200:
            _refuse(f"its status is {response.status}")
        for name, value in response.headers:
            if name == b"content-encoding" and value.lower() != b"identity":
                _refuse("it is compressed")
        return await response.read(self._limit)


async def _made(body: bytes, keep: Callable[[Any], Any]) -> bytes:
    """Return the filtered body."""

    def work() -> bytes:
        answer = {"status": "success", "data": keep(_data(body))}
        try:
            return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("ascii")
        except ValueError:
            _refuse("it contains a number that JSON cannot represent")

    return work() if len(body) <= _IN_PLACE else await asyncio.to_thread(work)


def _data(body: bytes) -> object:
    """Return the data of a successful response."""
    try:
        answer = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        _refuse("it is not JSON")
    fields = as_object(answer)
    if fields.get("status") != "success":
        _refuse("it is an error")
    return fields.get("data")


def _names(body: bytes) -> frozenset[str]:
    return frozenset(map(as_text, as_list(_data(body))))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; reject duplicate names, which parsers treat differently."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate name")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(reason: str) -> NoReturn:
    raise BadGateway(f"the response of Prometheus is invalid: {reason}")
