"""The gateway's own metrics.

Clients cannot create series: ``endpoint`` is a name of the endpoint table or ``none``, ``method`` is a known
method or ``other``. Requests are counted per project only if that is enabled, and for a limited number of
projects.

A request costs a few additions: counts are plain numbers that only the event loop's thread changes. They
become Prometheus metrics when they are scraped, and so do the counters of the other parts.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from chrysaetos import __version__
from chrysaetos.queued_log import lost_lines

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

    from chrysaetos.access.grants import PolicyAccess
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.proxy.coalescing import Coalescer
    from chrysaetos.gateway.proxy.limits import Limits
    from chrysaetos.gateway.proxy.offload import Offload
    from chrysaetos.http.server.server import HttpServer
    from chrysaetos.http.upstream.pool import Upstream
    from chrysaetos.http.upstream.replicas import Replicas
    from chrysaetos.identity.authenticator import KeystoneAuthenticator

__all__ = ["Telemetry"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_NONE = "none"
_OTHER = "other"

_BOUNDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
)  # fmt: skip
_BUCKETS = (*map(str, _BOUNDS), "+Inf")

L = TypeVar("L", bound=tuple[str, ...])


class _Times:
    """A histogram of durations in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_BUCKETS)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        return list(zip(_BUCKETS, accumulate(self.counts), strict=True))


class _Endpoint:
    """The counters of an endpoint."""

    __slots__ = ("broken", "bytes", "gateway", "upstream")

    def __init__(self) -> None:
        self.broken = 0
        self.bytes = 0
        self.gateway = _Times()
        self.upstream = _Times()


class Telemetry:
    """Counts requests as an observer, and collects the metrics of the gateway.

    Args:
        keystone: the authenticator, if Keystone is used.
        upstreams: the pools of connections, by the value of the label ``upstream``, such as
            ``localhost:9090``.
        replicas: the replicas, if there are several.
        limits: the limits on concurrent requests.
        offload: the process for what takes long.
        policy: decides what callers may see.
        coalescer: the coalescing of identical reads.
        logs: the loggers whose lost lines are counted, by the value of the label ``log``.
        per_project: whether to count requests by project id as well.
        max_projects: the number of project ids; further ones are counted as ``other``.

    Attributes:
        registry: the registry of the metrics.
    """

    def __init__(
        self,
        *,
        keystone: KeystoneAuthenticator | None = None,
        upstreams: Mapping[str, Upstream] | None = None,
        replicas: Replicas | None = None,
        limits: Limits | None = None,
        offload: Offload | None = None,
        policy: PolicyAccess | None = None,
        coalescer: Coalescer | None = None,
        logs: Mapping[str, logging.Logger] | None = None,
        per_project: bool = False,
        max_projects: int = 1000,
    ) -> None:
        self._keystone = keystone
        self._upstreams = {} if upstreams is None else upstreams
        self._replicas = replicas
        self._limits = limits
        self._offload = offload
        self._policy = policy
        self._coalescer = coalescer
        self._logs = {} if logs is None else logs
        self._per_project = per_project
        self._max_projects = max_projects
        self._requests: dict[tuple[str, str, int, str], int] = {}
        self._endpoints: dict[str, _Endpoint] = {}
        self._projects: dict[str, int] = {}
        self._server: HttpServer | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def watch(self, server: HttpServer) -> None:
        """Add the counters of the server, which is created after everything else."""
        self._server = server

    def on_end(self, exchange: Exchange) -> None:
        """Count a request that has ended."""
        endpoint = exchange.endpoint
        name = _NONE if endpoint is None else endpoint.name
        method = exchange.method
        if method not in _METHODS:
            method = _OTHER
        scope = exchange.scope
        kind = _NONE if scope is None else "all" if scope.unrestricted else "own"
        if kind == "own" and exchange.caller is not None and exchange.caller.domain_id is not None:
            kind = "domain"
        key = (name, method, exchange.status, kind)
        self._requests[key] = self._requests.get(key, 0) + 1
        counts = self._endpoints.get(name)
        if counts is None:
            counts = self._endpoints[name] = _Endpoint()
        counts.bytes += exchange.sent
        if not exchange.complete:
            counts.broken += 1
        seconds = exchange.seconds
        upstream_seconds = exchange.upstream_seconds
        if upstream_seconds is not None:
            counts.upstream.add(upstream_seconds)
            seconds -= upstream_seconds
        counts.gateway.add(seconds)
        if self._per_project:
            self._count_project(exchange)

    def render(self) -> bytes:
        """Return the metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, for the registry."""
        build = {(__version__, platform.python_version()): 1}
        yield _gauge("build_info", "The running version.", ("version", "python"), build)
        yield _counter(
            "requests",
            "Requests by scope: own for the caller's project, domain for the projects of its domain, all, or "
            "none if the scope was not decided.",
            ("endpoint", "method", "code", "scope"),
            # No status: the request ended without a response, and its client did not disconnect.
            {
                (name, method, str(status) if status else _NONE, kind): count
                for (name, method, status, kind), count in self._requests.items()
            },
        )
        if self._server is not None:
            yield _gauge("requests_in_flight", "Requests in progress.", (), {(): self._server.requests})
            refused = {(str(status),): count for status, count in self._server.refusals.items()}
            text = (
                "Requests rejected while they were received: malformed, too large, too slow, or over a limit."
            )
            yield _counter("refused_requests", text, ("code",), refused)
            text = "Tasks of the event loop: without requests, always the same number. More are a leak."
            yield _gauge("tasks", text, (), {(): self._server.tasks})
        yield from self._of_endpoints()
        if self._per_project:
            projects = {(project,): count for project, count in self._projects.items()}
            yield _counter("project_requests", "Requests by the caller's project.", ("project",), projects)
        yield from self._of_identity()
        yield from self._of_upstreams()
        yield from self._of_limits()
        yield self._of_logs()

    def _count_project(self, exchange: Exchange) -> None:
        caller = exchange.caller
        project = caller.project_id if caller is not None and caller.project_id else _NONE
        counts = self._projects
        if project not in counts and len(counts) >= self._max_projects:
            project = _OTHER
        counts[project] = counts.get(project, 0) + 1

    def _of_endpoints(self) -> Iterator[Metric]:
        gateway = HistogramMetricFamily(
            "chrysaetos_gateway_seconds",
            "Time of a request without waiting for Prometheus, including sending at the client's pace.",
            labels=("endpoint",),
        )
        upstream = HistogramMetricFamily(
            "chrysaetos_upstream_seconds",
            "Time from sending a request to Prometheus until the headers of its response.",
            labels=("endpoint",),
        )
        for name, counts in self._endpoints.items():
            gateway.add_metric((name,), counts.gateway.buckets(), counts.gateway.total)
            upstream.add_metric((name,), counts.upstream.buckets(), counts.upstream.total)
        yield gateway
        yield upstream
        sent = {(name,): counts.bytes for name, counts in self._endpoints.items()}
        broken = {(name,): counts.broken for name, counts in self._endpoints.items()}
        label = ("endpoint",)
        yield _counter("response_bytes", "Bytes of the responses' bodies, as sent.", label, sent)
        yield _counter("responses_incomplete", "Responses that were not sent completely.", label, broken)

    def _of_identity(self) -> Iterator[Metric]:
        if self._keystone is None:
            return
        cache, domains = self._keystone.cache, self._keystone.projects
        results = {("hit",): cache.hits, ("miss",): cache.misses, ("negative_hit",): cache.negative_hits}
        text = "Look-ups of credentials in the cache: hit, miss, or negative_hit for a cached rejection."
        yield _counter("token_cache_requests", text, ("result",), results)
        results = {("hit",): domains.hits, ("miss",): domains.misses}
        text = "Look-ups of a domain's projects in the cache: hit or miss."
        yield _counter("domain_cache_requests", text, ("result",), results)
        errors = {(): self._keystone.keystone_errors}
        yield _counter("keystone_errors", "Times that Keystone could not be reached.", (), errors)
        text = "Whether Keystone is not asked about unknown credentials, because it does not answer."
        yield _gauge("keystone_blocked", text, (), {(): int(self._keystone.keystone_blocked)})

    def _of_upstreams(self) -> Iterator[Metric]:
        def each(take: Callable[[Upstream], int]) -> dict[tuple[str], int]:
            return {(name,): take(pool) for name, pool in self._upstreams.items()}

        label = ("upstream",)
        opened, reused = each(lambda pool: pool.opened), each(lambda pool: pool.reused)
        yield _counter("upstream_connections_opened", "Connections opened.", label, opened)
        yield _counter(
            "upstream_connections_reused", "Requests sent over a reused connection.", label, reused
        )
        yield _counter(
            "upstream_retries", "Reads sent a second time.", label, each(lambda pool: pool.retried)
        )
        yield _counter("upstream_errors", "Requests and bodies that failed.", label, each(lambda p: p.errors))
        yield _gauge("upstream_in_use", "Connections that carry a request.", label, each(lambda p: p.in_use))
        yield _gauge("upstream_idle", "Connections without a request.", label, each(lambda p: p.idle))
        waiting = each(lambda pool: pool.waiting)
        yield _gauge("upstream_waiting", "Requests that wait for a connection.", label, waiting)
        if self._replicas is not None:
            failovers = {(): self._replicas.failovers}
            yield _counter("upstream_failovers", "Requests sent to the next replica.", (), failovers)

    def _of_limits(self) -> Iterator[Metric]:
        if self._limits is not None:
            limits = self._limits
            refused = {("project",): limits.refused, ("all",): limits.refused_in_all}
            yield _gauge("limited_in_use", "Requests that hold a slot.", (), {(): limits.in_use})
            yield _gauge("limited_projects", "Projects with requests in progress.", (), {(): limits.projects})
            yield _gauge("limited_sending", "Responses that are being sent.", (), {(): limits.sending})
            text = "Responses aborted because too many were being sent."
            yield _counter("limited_aborted", text, (), {(): limits.aborted})
            yield _gauge("limited_waiting", "Requests that wait for a slot.", (), {(): limits.waiting})
            yield _counter("limited_waited", "Requests that waited for a slot.", (), {(): limits.waited})
            yield _counter(
                "limited_refused",
                "Requests rejected, by limit: of the project, or of all.",
                ("limit",),
                refused,
            )
        if self._policy is not None:
            text = "Whether the rules in force are not those of the policy files; the log says why."
            yield _gauge("policy_stale", text, (), {(): int(self._policy.stale)})
        if self._offload is not None:
            offload = self._offload
            text = "Jobs for the process that scopes long queries and filters long responses."
            yield _counter("offloaded_jobs", text, (), {(): offload.jobs})
            yield _counter("offloaded_seconds", "CPU time of these jobs.", (), {(): offload.seconds})
            text = "Requests rejected because their project had used its CPU time."
            yield _counter("cpu_refused", text, (), {(): offload.budget.refused})
        if self._coalescer is not None:
            shared = {(): self._coalescer.shared}
            yield _counter(
                "shared_requests", "Requests that got the response to an identical request.", (), shared
            )

    def _of_logs(self) -> Metric:
        lost: dict[tuple[str, str], int] = {}
        for name, logger in self._logs.items():
            for reason, lines in lost_lines(logger).items():
                lost[name, reason] = lines
        return _counter(
            "log_lines_lost",
            "Lines missing in a log: queue_full if it was not written fast enough, or write_failed.",
            ("log", "reason"),
            lost,
        )


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[L, float]) -> Metric:
    family = CounterMetricFamily(f"chrysaetos_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[L, int]) -> Metric:
    family = GaugeMetricFamily(f"chrysaetos_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
