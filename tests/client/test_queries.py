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
        {"resultType": "scalar", "result": [1, "many"]},
        {"resultType": "string", "result": None},
    ],
)
def test_a_response_without_a_query_result_is_an_error(data):
    with pytest.raises(errors.NotPrometheus):
        run(lambda c: c.query("x"), success(data))


SOUND = {"metric": {"a": "b"}, "value": [1, "2"], "values": [[1, "2"]]}
HISTOGRAM = {"count": "1", "sum": "2", "buckets": [[0, "1", "2", "1"]]}


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("kind", "raw", "message"),
    [
        ("vector", None, "'result' is not a list but None"),
        ("matrix", {}, "'result' is not a list but {}"),
        ("vector", [SOUND, None], "series 1 is None"),
        ("matrix", [SOUND, "x" * 200], "series 1 is 'xxx"),
        ("vector", [{"value": [1, "2"]}], "series 0 is {'value'"),
        ("vector", [{"metric": None, "value": [1, "2"]}], "series 0"),
        ("matrix", [{"metric": ["a"], "values": [[1, "2"]]}], "series 0"),
        ("vector", [{"metric": {}}], "series 0"),
        ("vector", [{"metric": {}, "value": [1]}], "series 0"),
        ("vector", [{"metric": {}, "value": [1, "many"]}], "series 0"),
        ("vector", [{"metric": {}, "value": [1, None]}], "series 0"),
        ("vector", [{"metric": {}, "value": ["soon", "1"]}], "series 0"),
        ("vector", [{"metric": {}, "histogram": [1, {"count": "1"}]}], "series 0"),
        ("vector", [{"metric": {}, "histogram": [1, {**HISTOGRAM, "buckets": [[0, "1"]]}]}], "series 0"),
        ("matrix", [{"metric": {}, "values": None}], "series 0"),
        ("matrix", [{"metric": {}, "values": [[1, "2"], [2, {}]]}], "series 0"),
        ("matrix", [{"metric": {}, "histograms": [[1, None]]}], "series 0"),
    ],
)
def test_an_invalid_series_is_one_clear_error(kind, raw, message, exact):
    with pytest.raises(errors.NotPrometheus) as caught:
        run(lambda c: c.query("x", exact=exact), result(kind, raw))
    assert caught.value.message.startswith(f"invalid {kind} in the response: {message}")
    assert len(caught.value.message) < 200


def test_series_of_all_kinds_are_valid():
    raw = [SOUND, {"metric": {}, "histogram": [1, HISTOGRAM]}]
    assert len(run(lambda c: c.query_vector("x"), result("vector", raw))[0]) == 2
    raw = [SOUND, {"metric": {}, "histograms": [[1, HISTOGRAM]]}, {"metric": {}}]
    assert len(run(lambda c: c.query_range("x", 0, 1, 1), result("matrix", raw))[0]) == 3


STORE_DOWN = "failed to receive any data from Addr: store:10901: connection refused"
MISSING = [
    {"warnings": [STORE_DOWN]},
    {"warnings": ["PromQL info: x", STORE_DOWN]},
    {"warnings": STORE_DOWN},
    {"warnings": ["No StoreAPIs matched for this query"]},
    {"warnings": ["2 more warning annotations omitted"]},
    {"warnings": ["results truncated due to limit"]},
    {"isPartial": True},
]
COMPLETE = [
    {},
    {"warnings": None, "isPartial": False},
    {
        "warnings": [
            'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count: "a"'
        ]
    },
    {"warnings": ['PromQL warning: bucket label "le" is missing or has a malformed value (1:1)']},
    {"infos": [STORE_DOWN]},
]


def strictly(call, reply):
    with MetricsServer([reply]) as server, MetricsClient.direct(server.url, require_complete=True) as client:
        return call(client)


@pytest.mark.parametrize("annotations", MISSING)
def test_missing_data_are_an_error_if_complete_responses_are_required(annotations):
    reply = result("vector", [SOUND], **annotations)
    found, _ = run(lambda c: c.query("x"), reply)
    assert len(found) == 1
    assert found.warnings
    with pytest.raises(errors.PartialResult, match="data are missing in the response: ") as caught:
        strictly(lambda c: c.query("x"), reply)
    assert caught.value.query == "x"
    assert caught.value.retryable


@pytest.mark.parametrize("annotations", COMPLETE)
def test_annotations_of_the_query_mean_no_missing_data(annotations):
    assert len(strictly(lambda c: c.query("x"), result("vector", [SOUND], **annotations))) == 1


def test_a_requested_truncation_is_no_missing_data():
    reply = result("vector", [SOUND], warnings=["results truncated due to limit"])
    assert len(strictly(lambda c: c.query("x", limit=1), reply)) == 1


@pytest.mark.parametrize(
    ("call", "data"),
    [(lambda c: c.targets(), {"activeTargets": []}), (lambda c: c.label_values("a"), ["b"])],
)
def test_missing_data_of_all_reads_are_an_error(call, data):
    with pytest.raises(errors.PartialResult):
        strictly(call, success(data, warnings=[STORE_DOWN]))


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


SERIES = [{"metric": {"n": str(n)}, "values": [[0, "1"]]} for n in range(3)]
TRUNCATED = ["results truncated due to limit"]


@pytest.mark.parametrize(("limit", "count"), [(None, 3), (0, 3), (3, 3), (2, 2)])
def test_a_server_may_ignore_the_limit(limit, count):
    warnings = TRUNCATED if count == 2 else []
    raw = [{"metric": series["metric"], "value": [0, "1"]} for series in SERIES]
    found, _ = run(lambda c: c.query("up", limit=limit), result("vector", raw))
    assert (len(found), found.warnings) == (count, warnings)
    found, _ = run(lambda c: c.query_range("up", 0, 1, 1, limit=limit), result("matrix", SERIES))
    assert (len(found), found.warnings) == (count, warnings)


def test_a_limited_response_has_one_warning():
    found, _ = run(
        lambda c: c.query_range("up", 0, 1, 1, limit=2), result("matrix", SERIES, warnings=TRUNCATED)
    )
    assert (len(found), found.warnings) == (2, TRUNCATED)


def test_the_limit_of_a_split_range_is_applied_to_the_merged_series():
    replies = [result("matrix", SERIES), result("matrix", SERIES[::-1])]
    found, _ = run(lambda c: c.query_range("up", 0, 1, 1, split=True, max_points=1, limit=2), *replies)
    assert [series.labels["n"] for series in found] == ["0", "1"]
    assert [len(series) for series in found] == [2, 2]
    assert found.warnings == TRUNCATED


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
