"""The gateway's own metrics, and the listener that shows them."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chrysaetos import __version__
from chrysaetos.gateway.exchange import Exchange
from chrysaetos.gateway.limits import LimitOptions, Limits
from chrysaetos.gateway.sharing import Sharing
from chrysaetos.gateway.telemetry import MetricsServer, Telemetry
from chrysaetos.gateway.upstream import Upstream, UpstreamOptions
from chrysaetos.identity.cache import CallerCache
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.endpoints import find
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

OWN = Scope.of("project", "A")


def count(telemetry, method="GET", path="/api/v1/query", **known):
    exchange = Exchange(method, "10.0.0.1")
    telemetry.begun(exchange)
    exchange.endpoint = None if path is None else find("GET", path).endpoint
    exchange.scope = OWN
    exchange.status = 200
    exchange.complete = True
    exchange.started, exchange.ended = 10.0, 10.5
    for name, value in known.items():
        setattr(exchange, name, value)
    telemetry.ended(exchange)


def samples(telemetry):
    """Every sample of the gateway's own, by name and the values of its labels, which are sorted by name."""
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


def test_clients_make_no_series():
    telemetry = Telemetry()
    for number in range(100):
        count(telemetry, f"M{number}", None, status=404, scope=None)
    assert named(telemetry, "requests_total") == {("404", "none", "other", "none"): 100}
    assert len(telemetry._requests) == 1


def test_a_request_that_ended_without_an_answer_has_no_status():
    telemetry = Telemetry()
    count(telemetry, status=0, complete=False)
    assert named(telemetry, "requests_total") == {("none", "query", "GET", "own"): 1}
    assert named(telemetry, "responses_incomplete_total") == {("query",): 1}


def test_the_gateways_time_and_the_upstreams_are_apart():
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


def test_a_time_beyond_all_bounds_is_counted():
    telemetry = Telemetry()
    count(telemetry, ended=1000.0)
    buckets = named(telemetry, "gateway_seconds_bucket")
    assert (buckets["query", "120.0"], buckets["query", "+Inf"]) == (0, 1)


def test_bytes_and_broken_answers_are_counted():
    telemetry = Telemetry()
    count(telemetry, sent=1000)
    count(telemetry, sent=24, complete=False)
    assert named(telemetry, "response_bytes_total") == {("query",): 1024}
    assert named(telemetry, "responses_incomplete_total") == {("query",): 1}


def test_requests_under_way_are_shown():
    telemetry = Telemetry()
    one, two = Exchange("GET", ""), Exchange("GET", "")
    telemetry.begun(one)
    telemetry.begun(two)
    assert samples(telemetry)["requests_in_flight",] == 2
    telemetry.ended(one)
    telemetry.ended(two)
    assert samples(telemetry)["requests_in_flight",] == 0


def test_nothing_is_told_of_a_tenant():
    telemetry = Telemetry()
    count(telemetry, caller=Caller(user_id="secret-user", project_id="secret-project"))
    assert b"secret" not in telemetry.render()


def test_projects_are_counted_when_that_is_switched_on_up_to_a_bound():
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


def test_the_counters_of_the_other_parts_are_shown_as_they_are_when_asked_for():
    cache = CallerCache(clock=lambda: 0.0)
    upstream = Upstream(UpstreamOptions(host="localhost", port=9090))
    limits = Limits(LimitOptions(max_requests=3))
    sharing = Sharing()
    errors = [4]
    telemetry = Telemetry(
        cache=cache,
        upstreams={"localhost:9090": upstream},
        limits=limits,
        sharing=sharing,
        keystone_errors=lambda: errors[0],
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
    sharing.shared = 8
    errors[0] = 5
    expected = {
        ("token_cache_requests_total", "hit"): 1,
        ("token_cache_requests_total", "miss"): 2,
        ("token_cache_requests_total", "negative_hit"): 1,
        ("keystone_errors_total",): 5,
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


def test_the_version_is_shown():
    assert [version for _, version in named(Telemetry(), "build_info")] == [__version__]


def test_two_gateways_in_one_process_do_not_meet():
    one, two = Telemetry(), Telemetry()
    count(one)
    assert named(two, "requests_total") == {}


@asynccontextmanager
async def serving(render=lambda: b"up 1\n", ports=(0,), **options):
    server = MetricsServer(render, "127.0.0.1", ports, **options)
    await server.start()
    try:
        yield server
    finally:
        async with asyncio.timeout(1):
            await server.close()
        assert server._tasks == set()


async def exchange(server, request):
    """What the listener answers before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


async def test_the_metrics_are_served():
    telemetry = Telemetry()
    count(telemetry)
    async with serving(telemetry.render) as server:
        (line, *headers), body = await exchange(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert line == b"HTTP/1.1 200 OK"
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in headers
    assert b"Content-Length: %d" % len(body) in headers
    assert b"Connection: close" in headers
    assert b'chrysaetos_requests_total{code="200",endpoint="query",method="GET",scope="own"} 1.0' in body
    assert b"# TYPE chrysaetos_gateway_seconds histogram" in body


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        (b"GET /metrics?name[]=up HTTP/1.0", b"200 OK", b"up 1\n"),
        (b"HEAD /metrics HTTP/1.1", b"200 OK", b""),
        (b"GET / HTTP/1.1", b"404 Not Found", b"there is only /metrics\n"),
        (b"GET /api/v1/query HTTP/1.1", b"404 Not Found", b"there is only /metrics\n"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed", b"use GET\n"),
        (b"GET /metrics", b"400 Bad Request", b"this is no request\n"),
        (b"GET /metrics HTTP/2", b"400 Bad Request", b"this is no request\n"),
        (b"", b"400 Bad Request", b"this is no request\n"),
    ],
)
async def test_what_else_is_asked_is_answered_and_closed(request_line, status, body):
    async with serving() as server:
        (line, *headers), got = await exchange(server, request_line + b"\r\n\r\n")
        assert (line, got) == (b"HTTP/1.1 " + status, body)
        assert (b"Allow: GET, HEAD" in headers) == (status[:3] == b"405")


async def test_metrics_that_cannot_be_made_are_an_error(caplog):
    async with serving(lambda: 1 // 0) as server:
        (line, *_), body = await exchange(server, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert line == b"HTTP/1.1 500 Internal Server Error"
    assert b"Zero" not in body
    assert "ZeroDivisionError" in caplog.text


async def test_a_long_request_is_refused():
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000)
        assert (await reader.readline()) == b"HTTP/1.1 400 Bad Request\r\n"
        writer.close()


async def test_a_slow_client_is_cut_off():
    async with serving(timeout=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HT")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(_until_reset(reader), 5)
        writer.close()


async def _until_reset(reader):
    assert await reader.read() == b""
    raise ConnectionResetError


async def test_a_client_that_takes_nothing_is_cut_off():
    async with serving(lambda: b"x" * 50_000_000, timeout=0.1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.3)
        assert server._tasks == set()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(50_000_000)
        writer.close()


async def test_too_many_clients_at_once_are_turned_away():
    async with serving() as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(16)]
        await asyncio.sleep(0.05)
        assert len(server._tasks) == 16
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(_until_reset(reader), 5)
        writer.close()
        for _, other in held:
            other.close()


async def test_the_end_ends_what_is_under_way():
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.sleep(0.05)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(_until_reset(reader), 5)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_each_worker_takes_a_port_of_its_own():
    async with serving() as free:
        first = free.port
    ports = range(first, first + 2)
    async with serving(ports=ports) as one, serving(ports=ports) as two:
        assert sorted([one.port, two.port]) == list(ports)
        with pytest.raises(OSError, match="address already in use"):
            await MetricsServer(bytes, "127.0.0.1", ports).start()
    async with serving(ports=ports) as again:
        assert again.port == first


async def test_without_a_port_there_is_nothing_to_listen_on():
    with pytest.raises(OSError, match="no port"):
        await MetricsServer(bytes, "127.0.0.1", ()).start()
