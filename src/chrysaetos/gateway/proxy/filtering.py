"""Answers that hold more than one tenant's data: read whole, filtered, and written anew.

What cannot be understood is not passed on: an answer that is too long, compressed, no JSON, or of another
shape than Prometheus' is a 502, and an error of the upstream is told without its text.
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

__all__ = ["Filtered"]

_log = logging.getLogger(__name__)

_IN_PLACE = 64 * 1024
"""Bytes that are filtered in the event loop's own thread; with more, other requests would wait."""

_HEADERS = ((b"accept-encoding", b"identity"),)


class Filtered:
    """Answers the requests of scoped callers at endpoints that are filtered.

    Args:
        upstream: where the answers come from.
        timeout: seconds to wait for it.
        bounds: how large the query of a rule may be.
        limit: bytes of the longest answer that is read.
    """

    def __init__(self, upstream: Pool, *, timeout: float, bounds: Bounds, limit: int) -> None:
        self._upstream = upstream
        self._timeout = timeout
        self._bounds = bounds
        self._limit = limit

    async def answer(
        self, endpoint: Endpoint, scope: Scope, query: bytes, additions: Additions = NOTHING
    ) -> bytes:
        """The body of the answer to a request.

        Args:
            endpoint: a row of the table with ``Action.FILTER``.
            scope: what may be seen, not unrestricted.
            query: the parameters, checked and written afresh.
            additions: what each request to the upstream carries for the scope.

        Raises:
            BadRequest: a parameter cannot be used.
            BadGateway: the upstream's answer cannot be understood. The reason holds nothing of it.
            Unavailable: the upstream is not ready.
        """
        try:
            asked = parse_qs(query.decode("ascii"), keep_blank_values=True)
            return await self._answer(endpoint, scope, asked, additions)
        except BadGateway as error:
            _log.error("the answer for %s cannot be filtered: %s", endpoint.name, error)
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
        """The body of a successful answer of the upstream, whole."""
        response = await self._upstream.request(
            "GET", target, headers=headers, timeout=self._timeout, idempotent=True
        )
        try:
            return await self._whole(response)
        except BodyTooLong as error:
            _refuse(str(error))
        except UpstreamBroken:
            _refuse("it broke off")
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
    """The answer that is made from an upstream's."""

    def work() -> bytes:
        answer = {"status": "success", "data": keep(_data(body))}
        try:
            return json.dumps(answer, allow_nan=False, separators=(",", ":")).encode("ascii")
        except ValueError:
            _refuse("it holds a number that JSON has not")

    return work() if len(body) <= _IN_PLACE else await asyncio.to_thread(work)


def _data(body: bytes) -> object:
    """What a successful answer holds."""
    try:
        answer = json.loads(body, parse_constant=_no_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        _refuse("it is no JSON")
    fields = as_object(answer)
    if fields.get("status") != "success":
        _refuse("it is an error")
    return fields.get("data")


def _names(body: bytes) -> frozenset[str]:
    return frozenset(map(as_text, as_list(_data(body))))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are unique: of two, different readers take different ones."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _refuse(reason: str) -> NoReturn:
    raise BadGateway(f"Prometheus' answer cannot be used: {reason}")
