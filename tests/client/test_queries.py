"""Instant and range queries: requests and results."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.client.calling import result, run
from tests.fakes.metrics_server import MetricsServer, success, vector

from chrysaetos.client import Matrix, MetricsClient, Scalar, String, Vector, errors

LIMIT = ("timeout", "57000ms")


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


def test_query_range_requires_a_matrix():
    with pytest.raises(errors.UnexpectedResult, match="expected a matrix, got a vector"):
        run(lambda c: c.query_range("1", 0, 1, 1), vector("1"))
