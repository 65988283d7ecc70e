"""Every call: its request, and the result of its response. Tests with real servers are in tests/e2e."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.fakes.metrics_server import MetricsServer, Reply, aetos, failed, success, vector
from tests.support import commands

from chrysaetos.client import Matrix, MetricsClient, Scalar, String, Vector, errors

LIMIT = ("timeout", "57000ms")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def run(call, *replies):
    """Return the result of a call, and the requests that it sent."""
    with MetricsServer(list(replies)) as server, MetricsClient.direct(server.url) as client:
        return call(client), server.requests


def result(kind, raw, **notes):
    return success({"resultType": kind, "result": raw}, **notes)


def test_an_instant_query():
    when = datetime(2026, 1, 1, tzinfo=UTC)
    found, (request,) = run(lambda c: c.query("up", when, limit=5, lookback_delta="1m"), vector("1", "NaN"))
    assert isinstance(found, Vector)
    assert found[0].value == 1.0
    assert (request.method, request.path) == ("GET", "/api/v1/query")
    assert request.pairs == [
        *(("query", "up"), ("time", "1767225600"), LIMIT, ("lookback_delta", "60"), ("limit", "5"))
    ]
    assert request.headers["accept-encoding"] == "identity"


def test_the_time_limit_is_sent_to_the_server():
    _, (request,) = run(lambda c: c.query("up", timeout=10), vector("1"))
    assert request.pairs == [("query", "up"), ("timeout", "9500ms")]
    with MetricsServer([vector("1")]) as server, MetricsClient.direct(server.url, timeout=None) as client:
        client.query("up")
    assert server.requests[0].pairs == [("query", "up")]


@pytest.mark.parametrize(
    ("kind", "raw", "made"),
    [
        ("scalar", [1.5, "2"], Scalar),
        ("string", [1.5, "x"], String),
        ("matrix", [{"metric": {}, "values": [[1, "2"]]}], Matrix),
        ("vector", [], Vector),
    ],
)
def test_each_result_type_has_its_class(kind, raw, made):
    found, _ = run(lambda c: c.query("x"), result(kind, raw, warnings=["w"], infos=["i"]))
    assert type(found) is made
    assert (found.type, found.warnings, found.infos) == (kind, ["w"], ["i"])


def test_exact_numbers():
    found, _ = run(lambda c: c.query("x", exact=True), vector("123456789.123456789"))
    assert found[0].value == Decimal("123456789.123456789")


def test_query_vector_requires_a_vector():
    assert len(run(lambda c: c.query_vector("x", 5, exact=True), vector("1"))[0]) == 1
    with pytest.raises(errors.UnexpectedResult, match="expected a vector, got a scalar"):
        run(lambda c: c.query_vector("1"), result("scalar", [1, "1"]))


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"resultType": "vector"},
        {"resultType": "graph", "result": []},
        {"resultType": "scalar", "result": []},
    ],
)
def test_a_response_without_a_query_result_is_an_error(data):
    with pytest.raises(errors.NotPrometheus):
        run(lambda c: c.query("x"), success(data))


def test_a_range_query():
    raw = [{"metric": {"a": "b"}, "values": [[1, "2"]]}]
    found, (request,) = run(
        lambda c: c.query_range("up", 10, 25.5, timedelta(seconds=5), limit=1), result("matrix", raw)
    )
    assert found[0].values == [2.0]
    assert (request.method, request.path) == ("GET", "/api/v1/query_range")
    assert request.pairs == [
        *(("query", "up"), ("start", "10"), ("end", "25.5"), ("step", "5"), LIMIT, ("limit", "1"))
    ]
    assert "gzip" in request.headers["accept-encoding"]


def test_a_split_range_query():
    replies = [result("matrix", [{"metric": {}, "values": [[n, "1"]]}], warnings=["w"]) for n in range(3)]
    steps = []
    found, requests = run(
        lambda c: c.query_range(
            "up @ end()", 0, 25, "5s", split=True, max_points=2, progress=lambda *n: steps.append(n)
        ),
        *replies,
    )
    assert found[0].times == [0, 1, 2]
    assert found.warnings == ["w"]
    assert steps == [(1, 3), (2, 3), (3, 3)]
    places = [(request.parameters["start"], request.parameters["end"]) for request in requests]
    assert places == [("0", "5"), ("10", "15"), ("20", "25")]
    assert {request.parameters["query"] for request in requests} == {"up @ 25"}


def test_a_range_within_the_limit_is_not_split():
    _, (request,) = run(lambda c: c.query_range("up @ end()", 0, 25, "5s", split=True), result("matrix", []))
    assert request.parameters["query"] == "up @ end()"


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.query("up", datetime(2026, 1, 1)),
        lambda c: c.query("up", timeout=0),
        lambda c: c.query("up", limit=-1),
        lambda c: c.query("up", limit=True),
        lambda c: c.query("up", lookback_delta=0),
        lambda c: c.query_range("up", 5, 4, 1),
        lambda c: c.query_range("up", 4, 5, 0),
        lambda c: c.query_range("up", 4, 5, "5"),
        lambda c: c.query_range("up", 4, 5, 1, split=True, max_points=0),
        lambda c: c.series("up", start="now"),
        lambda c: c.label_values(""),
    ],
)
def test_invalid_arguments_are_rejected_before_a_request_is_sent(call):
    with MetricsServer([vector("1")]) as server, MetricsClient.direct(server.url) as client:
        with pytest.raises(errors.InvalidArgument):
            call(client)
        assert server.requests == []


def test_query_range_requires_a_matrix():
    with pytest.raises(errors.UnexpectedResult, match="expected a matrix, got a vector"):
        run(lambda c: c.query_range("1", 0, 1, 1), vector("1"))


@pytest.mark.parametrize(
    ("call", "path", "pairs"),
    [
        (lambda c: c.series("up"), "series", [("match[]", "up")]),
        (
            lambda c: c.series(["a", "b"], start=1, end=2, limit=3),
            "series",
            [("match[]", "a"), ("match[]", "b"), ("start", "1"), ("end", "2"), ("limit", "3")],
        ),
        (lambda c: c.labels(), "labels", []),
        (lambda c: c.labels("up", start=1), "labels", [("match[]", "up"), ("start", "1")]),
        (lambda c: c.label_values("job"), "label/job/values", []),
        (lambda c: c.label_values("a.b", "up"), "label/U__a_2e_b/values", [("match[]", "up")]),
    ],
)
def test_listings(call, path, pairs):
    found, (request,) = run(call, success(["x"], warnings=["cut"]))
    assert (found, found.warnings) == (["x"], ["cut"])
    assert (request.method, request.path, request.pairs) == ("GET", f"/api/v1/{path}", pairs)


def test_a_listing_may_be_null_but_not_an_object():
    assert run(lambda c: c.labels(), success(None))[0] == []
    with pytest.raises(errors.NotPrometheus, match="does not contain a list"):
        run(lambda c: c.labels(), success({}))


@pytest.mark.parametrize(
    ("call", "path", "pairs"),
    [
        (lambda c: c.metadata(), "metadata", []),
        (lambda c: c.metadata("up", limit=1), "metadata", [("metric", "up"), ("limit", "1")]),
        (lambda c: c.targets(), "targets", [("state", "any")]),
        (
            lambda c: c.targets("active", scrape_pool="p"),
            "targets",
            [("state", "active"), ("scrapePool", "p")],
        ),
        (lambda c: c.rules(), "rules", []),
        (lambda c: c.rules("alert"), "rules", [("type", "alert")]),
        (lambda c: c.buildinfo(), "status/buildinfo", []),
        (lambda c: c.runtimeinfo(), "status/runtimeinfo", []),
    ],
)
def test_calls_that_return_objects(call, path, pairs):
    found, (request,) = run(call, success({"a": 1}))
    assert found == {"a": 1}
    assert (request.method, request.path, request.pairs) == ("GET", f"/api/v1/{path}", pairs)


def test_alerts():
    assert run(lambda c: c.alerts(), success({"alerts": [{"state": "firing"}]}))[0] == [{"state": "firing"}]
    assert run(lambda c: c.alerts(), success({"alerts": None}))[0] == []
    with pytest.raises(errors.NotPrometheus, match="does not contain an object"):
        run(lambda c: c.alerts(), success([]))


@pytest.mark.parametrize(
    ("call", "reply", "expected", "path", "pairs"),
    [
        (
            lambda c: c.delete_series('up{a="b"}', start=1, end=2),
            Reply(204, b""),
            None,
            "admin/tsdb/delete_series",
            [("match[]", 'up{a="b"}'), ("start", "1"), ("end", "2")],
        ),
        (lambda c: c.clean_tombstones(), Reply(204, b""), None, "admin/tsdb/clean_tombstones", []),
        (lambda c: c.snapshot(), success({"name": "n"}), "n", "admin/tsdb/snapshot", []),
        (
            lambda c: c.snapshot(skip_head=True),
            success({"name": "n"}),
            "n",
            "admin/tsdb/snapshot",
            [("skip_head", "true")],
        ),
    ],
)
def test_administration(call, reply, expected, path, pairs):
    found, (request,) = run(call, reply)
    assert found == expected
    assert (request.method, request.path, request.pairs) == ("POST", f"/api/v1/{path}", pairs)


def test_administrative_calls_are_never_repeated():
    with MetricsServer([failed(503, "unavailable", "later", **{"Retry-After": "0"})]) as server:
        with MetricsClient.direct(server.url) as client, pytest.raises(errors.Unavailable):
            client.delete_series("up")
        assert len(server.requests) == 1


def test_a_snapshot_without_a_name():
    with pytest.raises(errors.NotPrometheus, match="does not contain a name"):
        run(lambda c: c.snapshot(), success({}))


def test_whoami_and_explain():
    found, (request,) = run(lambda c: c.whoami(), success({"user": "a"}))
    assert (found, request.method, request.path) == ({"user": "a"}, "GET", "/-/whoami")
    found, (request,) = run(lambda c: c.explain("up"), success({"query": "b"}))
    assert (found, request.method, request.path) == ({"query": "b"}, "GET", "/-/explain")
    assert request.pairs == [("path", "/api/v1/query"), ("query", "up")]
    _, (request,) = run(lambda c: c.explain("up", "/api/v1/series"), success({}))
    assert request.pairs == [("path", "/api/v1/series"), ("match[]", "up")]


def test_a_read_is_repeated_while_the_server_is_unavailable():
    busy = failed(503, "unavailable", "later", **{"Retry-After": "0"})
    found, requests = run(
        lambda c: c.query("up"), busy, failed(429, "x", "later", **{"Retry-After": "0"}), vector("1")
    )
    assert len(found) == 1
    assert len(requests) == 3


def test_aetos():
    with MetricsServer(aetos) as server, MetricsClient.direct(server.url) as client:
        assert len(client.query("up")) == 1
        with pytest.raises(errors.BadQuery, match="unclosed left parenthesis"):
            client.query("sum(")
        with pytest.raises(errors.NotSupported, match="no range queries; Aetos does not support them"):
            client.query_range("up", 0, 1, 1)
        for _ in range(2):
            with pytest.raises(errors.TooLarge, match="does not accept POST"):
                client.query("up" + " or up" * 1000)
    assert [request.method for request in server.requests] == ["GET", "GET", "GET", "POST", "GET", "GET"]


def test_a_session_and_an_adapter():
    with MetricsServer([vector("1")]) as server:
        session = Session(auth=Token(f"{server.url}/prefix", "abc"))
        with MetricsClient(session) as client:
            assert client.endpoint == f"{server.url}/prefix"
            assert len(client.query("up")) == 1
        adapter = Adapter(session, service_type="metrics", interface="internal", endpoint_override=server.url)
        assert MetricsClient(adapter).endpoint == server.url
        assert MetricsClient(session, endpoint_override=f"{server.url}/x/").endpoint == f"{server.url}/x"
        session.session.close()
    assert server.requests[0].headers["x-auth-token"] == "abc"


def test_eight_threads_share_a_client():
    with (
        MetricsServer(lambda request: vector(request.parameters["query"])) as server,
        MetricsClient.direct(server.url) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        values = [found[0].value for found in pool.map(lambda n: client.query(str(n)), range(200))]
        assert values == list(range(200))
        assert server.connections <= 8


def test_importing_the_client_loads_no_large_package():
    script = (
        "import sys, chrysaetos.client; "
        "print([name for name in ('requests', 'keystoneauth1', 'urllib3', 'pandas', 'oslo_config', "
        "'chrysaetos.promql.parser') if name in sys.modules])"
    )
    assert commands.run([sys.executable, "-c", script]).out == "[]\n"
