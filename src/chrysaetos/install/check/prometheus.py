"""The servers of Prometheus: whether they answer, their engine and version, and their clocks."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from chrysaetos.findings import Finding, Status, ok, warning
from chrysaetos.install.check.certificates import check_expiry
from chrysaetos.install.check.clocks import compare_clock
from chrysaetos.install.check.probing import FAILURES, SECONDS, Reply, describe, get, remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.http.upstream.pool import UpstreamOptions
    from chrysaetos.install.check.configuration import Setup

__all__ = ["NoResult", "check_server", "name_of", "query"]

_CHECK = "prometheus"
_ENGINES = {
    "prometheus": "Prometheus",
    "victoriametrics": "VictoriaMetrics",
    "thanos": "Thanos",
    "mimir": "Mimir",
}


class NoResult(Exception):
    """A server did not evaluate a query.

    Args:
        found: what happened.
        remedy: what to do.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


def check_server(setup: Setup, server: UpstreamOptions) -> Iterator[Finding]:
    """Check that a server evaluates queries, its engine, its clock and its certificate.

    Raises:
        NoResult: it does not evaluate queries.
    """
    name = name_of(server)
    before = time.time()
    theirs = _time(server)
    clock = compare_clock(name, theirs, before=before, after=time.time())
    yield from _check_engine(setup, server)
    yield clock
    yield from check_expiry(server, name)
    if get(server, "/-/ready").status == 503:
        yield warning(_CHECK, f"{name} is not ready", "wait until it has started, and look at its log")


def query(server: UpstreamOptions, expression: str) -> Any:
    """Return the result of an instant query, as in Prometheus' API.

    Raises:
        NoResult: the server does not evaluate it.
    """
    parameters = urlencode({"query": expression, "timeout": f"{SECONDS - 1:.0f}s"})
    try:
        reply = get(server, f"/api/v1/query?{parameters}")
    except FAILURES as error:
        raise NoResult(
            f"{name_of(server)} {describe(error)}",
            remedy(error, address="host and port in [prometheus]", ca="[prometheus] ca_file"),
        ) from error
    body = _json(reply)
    if reply.status == 200 and body.get("status") == "success":
        with suppress(LookupError, TypeError):
            return body["data"]["result"]
    raise _rejected(server, reply, body)


def _time(server: UpstreamOptions) -> float:
    result = query(server, "time()")
    try:
        # VictoriaMetrics returns a vector instead of a scalar.
        return float((result[0]["value"] if isinstance(result[0], dict) else result)[1])
    except (LookupError, TypeError, ValueError) as error:
        found = f"{name_of(server)} answers a query in an unknown form"
        raise NoResult(found, "check host and port in [prometheus]") from error


def _rejected(server: UpstreamOptions, reply: Reply, body: dict[str, Any]) -> NoResult:
    name = name_of(server)
    if b"HTTP request to an HTTPS server" in reply.body:
        return NoResult(f"{name} requires TLS", "set [prometheus] use_tls = true, and ca_file if needed")
    match reply.status:
        case 401 | 403:
            return NoResult(
                f"{name} rejects the gateway with {reply.status}",
                "set username and password, cert_file and key_file, or headers (the tenant of Mimir is "
                "X-Scope-OrgID) in [prometheus]",
            )
        case 404:
            return NoResult(
                f"{name} has no API at {server.path_prefix}/api/v1",
                "set [prometheus] path_prefix to the path below which the engine has its API, or port",
            )
        case 503:
            return NoResult(f"{name} is not ready", "wait until it has started, and look at its log")
    message = body.get("error") or "it does not have Prometheus' API"
    return NoResult(
        f"{name} answers a query with {reply.status}: {message}", "check host and port in [prometheus]"
    )


def _check_engine(setup: Setup, server: UpstreamOptions) -> Iterator[Finding]:
    """Check that the option ``engine`` is that of the server, as far as it can be told."""
    name = name_of(server)
    reply = get(server, "/api/v1/status/buildinfo")
    data = _json(reply).get("data") or {}
    actual = _engine(server, reply, data)
    if actual is None:
        yield Finding(_CHECK, Status.SKIPPED, f"{name} does not report its version")
        return
    configured = setup.conf.prometheus.engine
    yield ok(_CHECK, f"{name} is {_ENGINES[actual]} {data.get('version') or ''}".rstrip())
    # Thanos and Mimir enforce the project only if they are set up for it; VictoriaMetrics always can.
    if actual != configured and (configured != "prometheus" or actual == "victoriametrics"):
        yield warning(
            _CHECK,
            f"[prometheus] engine is {configured}, but {name} is {_ENGINES[actual]}: "
            "it does not enforce the project in addition to the gateway",
            f"set engine = {actual} in [prometheus]",
        )
    elif actual == "thanos" != configured:
        yield warning(
            _CHECK,
            f"[prometheus] engine is {configured}, but {name} is Thanos: "
            "it tells tenants which of its stores has failed, with their labels",
            "set engine = thanos in [prometheus]",
        )


def _engine(server: UpstreamOptions, reply: Reply, data: dict[str, Any]) -> str | None:
    if "x-server-hostname" in reply.headers:
        return "victoriametrics"
    if "Mimir" in str(data.get("application")):
        return "mimir"
    if get(server, "/api/v1/stores").status == 200:
        return "thanos"
    return "prometheus" if reply.status == 200 and data else None


def name_of(server: UpstreamOptions) -> str:
    """Return the name of a server in findings."""
    return f"{server.host}:{server.port}"


def _json(reply: Reply) -> dict[str, Any]:
    """Return the object in a response; an empty one if there is none."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
