"""The gateway's own metrics."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chrysaetos import __version__
from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.http.upstream.replicas import Replicas
from chrysaetos.identity.cache import CallerCache
from chrysaetos.identity.caller import Caller
from chrysaetos.queued_log import QueuedHandler
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

OWN = Scope.of("project", "A")


def count(telemetry, method="GET", path="/api/v1/query", **known):
    exchange = Exchange(method, "10.0.0.1")
    exchange.endpoint = None if path is None else find_path(path).endpoint
    exchange.scope = OWN
    exchange.status = 200
    exchange.complete = True
    exchange.started, exchange.ended = 10.0, 10.5
    for name, value in known.items():
        setattr(exchange, name, value)
    telemetry.on_end(exchange)


def samples(telemetry):
    """Return the samples of the gateway's own metrics, by name and label values (sorted by label name)."""
    families = text_string_to_metric_families(telemetry.render().decode())
    return {
        (sample.name.removeprefix("chrysaetos_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("chrysaetos_")
    }


def named(telemetry, name):
    return {key[1:]: value for key, value in samples(telemetry).items() if key[0] == name}


def test_requests_are_counted_by_endpoint_method_status_and_scope():
    telemetry = Telemetry()
    count(telemetry)
    count(telemetry)
    count(telemetry, "POST", "/api/v1/series", scope=UNRESTRICTED)
    count(telemetry, path="/healthcheck", scope=None)
    count(telemetry, status=403, scope=None)
    assert named(telemetry, "requests_total") == {
        ("200", "query", "GET", "own"): 2,
        ("200", "series", "POST", "all"): 1,
        ("200", "healthcheck", "GET", "none"): 1,
        ("403", "query", "GET", "none"): 1,
    }


def test_clients_cannot_create_series():
    telemetry = Telemetry()
    for number in range(100):
        count(telemetry, f"M{number}", None, status=404, scope=None)
    assert named(telemetry, "requests_total") == {("404", "none", "other", "none"): 100}
    assert len(telemetry._requests) == 1


def test_request_without_a_response_has_no_status():
    telemetry = Telemetry()
    count(telemetry, status=0, complete=False)
    assert named(telemetry, "requests_total") == {("none", "query", "GET", "own"): 1}
    assert named(telemetry, "responses_incomplete_total") == {("query",): 1}


def test_times_of_gateway_and_upstream_are_separate():
    telemetry = Telemetry()
    count(telemetry, upstream_seconds=0.25)
    count(telemetry, upstream_seconds=0.49)
    count(telemetry, upstream_seconds=None)
    assert named(telemetry, "upstream_seconds_count") == {("query",): 2}
    assert named(telemetry, "upstream_seconds_sum") == {("query",): pytest.approx(0.74)}
    assert named(telemetry, "gateway_seconds_count") == {("query",): 3}
    assert named(telemetry, "gateway_seconds_sum") == {("query",): pytest.approx(0.25 + 0.01 + 0.5)}
    upstream = named(telemetry, "upstream_seconds_bucket")
    assert [upstream["query", le] for le in ("0.1", "0.25", "0.5", "120.0", "+Inf")] == [0, 1, 2, 2, 2]
    gateway = named(telemetry, "gateway_seconds_bucket")
    assert [gateway["query", le] for le in ("0.005", "0.025", "0.25", "0.5", "+Inf")] == [0, 1, 2, 3, 3]


def test_time_above_all_buckets_is_counted():
    telemetry = Telemetry()
    count(telemetry, ended=1000.0)
    buckets = named(telemetry, "gateway_seconds_bucket")
    assert (buckets["query", "120.0"], buckets["query", "+Inf"]) == (0, 1)


def test_bytes_and_incomplete_responses_are_counted():
    telemetry = Telemetry()
    count(telemetry, sent=1000)
    count(telemetry, sent=24, complete=False)
    assert named(telemetry, "response_bytes_total") == {("query",): 1024}
    assert named(telemetry, "responses_incomplete_total") == {("query",): 1}


def test_requests_in_flight():
    telemetry = Telemetry()
    server: Any = SimpleNamespace(refusals={}, requests=2, tasks=5)
    telemetry.watch(server)
    assert samples(telemetry)["requests_in_flight",] == 2
    assert samples(telemetry)["tasks",] == 5


def test_metrics_contain_nothing_of_a_tenant():
    telemetry = Telemetry()
    count(telemetry, caller=Caller(user_id="secret-user", project_id="secret-project"))
    assert b"secret" not in telemetry.render()


def test_projects_are_counted_if_enabled_up_to_a_limit():
    telemetry = Telemetry(per_project=True, max_projects=3)
    count(telemetry, caller=None)
    for project in ("A", "B", "C", "A", "D", None):
        count(telemetry, caller=Caller(user_id="u", project_id=project))
    assert named(telemetry, "project_requests_total") == {
        ("none",): 2,
        ("A",): 2,
        ("B",): 1,
        ("other",): 2,
    }


def test_counters_of_other_parts_are_read_at_scrape_time():
    cache: CallerCache[str] = CallerCache(clock=lambda: 0.0)
    upstream = Upstream(UpstreamOptions(host="localhost", port=9090))
    limits = Limits(LimitOptions(max_requests=3))
    coalescer = Coalescer()
    domains = SimpleNamespace(hits=0, misses=0)
    keystone: Any = SimpleNamespace(cache=cache, projects=domains, keystone_errors=0, keystone_blocked=False)
    replicas = Replicas((upstream,))
    telemetry = Telemetry(
        keystone=keystone,
        upstreams={"localhost:9090": upstream},
        replicas=replicas,
        limits=limits,
        coalescer=coalescer,
    )
    before = samples(telemetry)
    assert before["token_cache_requests_total", "hit"] == 0
    cache.admit(b"k", Caller(user_id="u"), 100.0)
    cache.hit(b"k")
    cache.refused(b"x")
    cache.refused(b"y")
    cache.refuse(b"z", "no")
    assert cache.refused(b"z") == "no"
    upstream.opened, upstream.reused, upstream.retried, upstream.errors = 1, 2, 3, 4
    limits.try_acquire("A")
    limits.try_acquire("B")
    limits.try_acquire("B")
    limits.refused, limits.refused_in_all, limits.waited = 5, 6, 7
    coalescer.shared = 8
    keystone.keystone_errors, domains.hits, domains.misses = 5, 9, 10
    replicas.failovers = 11
    expected = {
        ("token_cache_requests_total", "hit"): 1,
        ("token_cache_requests_total", "miss"): 2,
        ("token_cache_requests_total", "negative_hit"): 1,
        ("keystone_errors_total",): 5,
        ("domain_cache_requests_total", "hit"): 9,
        ("domain_cache_requests_total", "miss"): 10,
        ("upstream_failovers_total",): 11,
        ("upstream_connections_opened_total", "localhost:9090"): 1,
        ("upstream_connections_reused_total", "localhost:9090"): 2,
        ("upstream_retries_total", "localhost:9090"): 3,
        ("upstream_errors_total", "localhost:9090"): 4,
        ("upstream_in_use", "localhost:9090"): 0,
        ("upstream_idle", "localhost:9090"): 0,
        ("upstream_waiting", "localhost:9090"): 0,
        ("limited_in_use",): 3,
        ("limited_projects",): 2,
        ("limited_waiting",): 0,
        ("limited_waited_total",): 7,
        ("limited_refused_total", "project"): 5,
        ("limited_refused_total", "all"): 6,
        ("shared_requests_total",): 8,
    }
    shown = samples(telemetry)
    assert {key: shown[key] for key in expected} == expected


def test_rejected_requests_and_tasks_of_the_server():
    telemetry = Telemetry()
    assert named(telemetry, "refused_requests_total") == {}
    server: Any = SimpleNamespace(refusals={400: 3}, requests=0, tasks=7)
    telemetry.watch(server)
    assert named(telemetry, "refused_requests_total") == {("400",): 3}
    assert samples(telemetry)["tasks",] == 7
    server.refusals[408] = 1
    assert named(telemetry, "refused_requests_total") == {("400",): 3, ("408",): 1}


def test_scope_of_a_domain():
    telemetry = Telemetry()
    domain = Caller(user_id="u", domain_id="D")
    count(telemetry, caller=domain)
    count(telemetry, caller=domain, scope=UNRESTRICTED)
    count(telemetry, caller=domain, scope=None, status=403)
    count(telemetry, caller=Caller(user_id="u", project_id="A"))
    assert {key[-1]: value for key, value in named(telemetry, "requests_total").items()} == {
        "domain": 1,
        "all": 1,
        "none": 1,
        "own": 1,
    }


def test_version():
    assert [version for _, version in named(Telemetry(), "build_info")] == [__version__]


def test_two_gateways_in_one_process_are_independent():
    one, two = Telemetry(), Telemetry()
    count(one)
    assert named(two, "requests_total") == {}


def test_the_text_is_in_prometheus_format():
    telemetry = Telemetry()
    count(telemetry)
    text = telemetry.render()
    assert b'chrysaetos_requests_total{code="200",endpoint="query",method="GET",scope="own"} 1.0' in text
    assert b"# TYPE chrysaetos_gateway_seconds histogram" in text


def test_lost_log_lines_are_counted_by_log_and_reason():
    logger = logging.Logger("lost")  # noqa: LOG001  # independent of the other loggers
    handler = QueuedHandler(logging.NullHandler(), "lost")
    handler.dropped, handler.failed = 3, 4
    logger.addHandler(handler)
    text = Telemetry(logs={"audit": logger}).render().decode()
    assert 'chrysaetos_log_lines_lost_total{log="audit",reason="queue_full"} 3.0' in text
    assert 'chrysaetos_log_lines_lost_total{log="audit",reason="write_failed"} 4.0' in text
