"""Engines, by what they answer. End-to-end tests use a real Prometheus."""

from __future__ import annotations

import json
import time

import pytest
from tests.fakes.metrics_server import MetricsServer, Reply, success

from chrysaetos.findings import Status
from chrysaetos.install.check.prometheus import NoResult, check_server, query


def engine(build: Reply, stores: int = 404):
    """Return the replies of an engine."""

    def reply(request):
        if request.path == "/api/v1/query":
            return success({"resultType": "scalar", "result": [0, str(time.time())]})
        if request.path == "/api/v1/status/buildinfo":
            return build
        if request.path == "/-/ready":
            return Reply(200, b"")
        return Reply(stores, b"{}")

    return reply


PROMETHEUS = success({"version": "3.1.0"})
ENGINES = {
    "prometheus": engine(PROMETHEUS),
    "victoriametrics": engine(Reply(200, PROMETHEUS.body, {"X-Server-Hostname": "vm"})),
    "thanos": engine(PROMETHEUS, stores=200),
    "mimir": engine(success({"version": "2.14", "application": "Grafana Mimir"})),
}


def check(make_setup, replies, configured: str = "prometheus"):
    tenants = "tenants = *:all\n" if configured == "mimir" else ""
    with MetricsServer(replies) as server:
        port = server.url.rpartition(":")[2]
        setup = make_setup(
            f"[prometheus]\nhost = 127.0.0.1\nport = {port}\nengine = {configured}\nusername = u\n"
            f"password = not-to-be-shown\n{tenants}"
        )
        found = list(check_server(setup, setup.servers[0]))
        assert all("authorization" in request.headers for request in server.requests)
    assert "not-to-be-shown" not in json.dumps([each.found + each.remedy for each in found])
    return found


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_is_recognized(make_setup, name):
    assert {each.status for each in check(make_setup, ENGINES[name], name)} == {Status.OK}


@pytest.mark.parametrize(
    ("actual", "configured"),
    [
        ("victoriametrics", "prometheus"),
        ("prometheus", "victoriametrics"),
        ("thanos", "mimir"),
        ("thanos", "prometheus"),
    ],
)
def test_an_engine_that_is_not_the_configured_one_is_a_warning(make_setup, actual, configured):
    found = check(make_setup, ENGINES[actual], configured)
    (finding,) = (each for each in found if each.status is Status.WARNING)
    assert finding.remedy == f"set engine = {actual} in [prometheus]"


def test_a_mimir_that_is_not_set_up_to_enforce_the_project_is_right(make_setup):
    assert {each.status for each in check(make_setup, ENGINES["mimir"])} == {Status.OK}


def test_an_unknown_engine_is_not_judged(make_setup):
    found = check(make_setup, engine(Reply(404, b"not found")), "victoriametrics")
    assert [each.status for each in found] == [Status.SKIPPED, Status.OK]


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (Reply(400, b"Client sent an HTTP request to an HTTPS server."), "requires TLS"),
        (Reply(403, b""), "rejects the gateway with 403"),
        (Reply(503, b""), "is not ready"),
        (Reply(200, b"<html>"), "it does not have Prometheus' API"),
        (Reply(200, b"[]"), "it does not have Prometheus' API"),
        (Reply(200, b'{"status": "success", "data": []}'), "it does not have Prometheus' API"),
        (Reply(422, b'{"status": "error", "error": "query timed out"}'), "query timed out"),
    ],
)
def test_a_query_without_a_result_says_why(make_setup, reply, found):
    with MetricsServer([reply]) as server:
        port = server.url.rpartition(":")[2]
        (upstream,) = make_setup(f"[prometheus]\nhost = 127.0.0.1\nport = {port}\n").servers
        with pytest.raises(NoResult, match=found):
            query(upstream, "time()")


@pytest.mark.parametrize("result", [[], [0], [0, "later"], None, [{}], "text"])
def test_a_time_that_is_none_says_so(make_setup, result):
    replies = [success({"resultType": "scalar", "result": result})]
    with pytest.raises(NoResult, match="unknown form"):
        check(make_setup, replies)
