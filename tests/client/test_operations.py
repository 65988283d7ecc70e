"""Targets, rules, alerts, status, administration, and the gateway's own endpoints."""

import pytest
from tests.client.calling import run
from tests.fakes.metrics_server import MetricsServer, Reply, failed, success

from chrysaetos.client import MetricsClient, errors


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
