from __future__ import annotations

import socket

import pytest
from tests.cloudkitty.conftest import Prometheus, item, limit
from tests.fakes.metrics_server import Reply, failed, success

from chrysaetos.cloudkitty.common import prometheus_client
from chrysaetos.cloudkitty.common.prometheus_client import PrometheusClient
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    PrometheusResponseError,
    TooLargeError,
)

NOON = "2026-11-21T12:00:00+00:00"


@pytest.fixture
def client(prometheus: Prometheus) -> PrometheusClient:
    return PrometheusClient(f"{prometheus.url}/api/v1", timeout=5)


def test_an_instant_query(client: PrometheusClient, prometheus: Prometheus):
    prometheus.items = [item("0.30000000000000004", vm="a"), item("NaN", vm="b")]
    answer = client.get_instant("cpu", NOON)
    assert answer == {"status": "success", "data": {"resultType": "vector", "result": prometheus.items}}
    (request,) = prometheus.requests
    assert request.path == "/api/v1/query"
    assert request.parameters["query"] == "cpu"
    assert float(request.parameters["time"]) == 1795262400
    # Less than the client's own limit, so that the server's error arrives in time.
    assert 4 < limit(request) < 5


def test_the_time_limit_of_a_query(client: PrometheusClient, prometheus: Prometheus):
    client.get_instant("cpu", timeout="3")
    assert 2 < limit(prometheus.requests[0]) < 3
    assert "time" not in prometheus.requests[0].parameters


def test_connections_are_reused(client: PrometheusClient, prometheus: Prometheus):
    for _ in range(5):
        client.get_instant("cpu")
    assert prometheus.connections == 1


@pytest.mark.parametrize("suffix", ["/api/v1", "/api/v1/", ""])
def test_the_url_may_have_the_path_of_the_api(suffix: str, prometheus: Prometheus):
    PrometheusClient(prometheus.url + suffix).get_instant("cpu")
    assert prometheus.requests[0].path == "/api/v1/query"


def test_basic_authentication(prometheus: Prometheus):
    PrometheusClient(prometheus.url, auth=("user", "secret")).get_instant("cpu")
    assert prometheus.requests[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            failed(400, "bad_data", "parse error: unclosed left parenthesis"),
            "bad_data: .*unclosed left paren",
        ),
        (failed(422, "execution", "many-to-many matching not allowed"), "execution: many-to-many matching"),
        (
            Reply(401, b'{"error": {"message": "Requires authentication", "code": 401}}'),
            "Requires authentication",
        ),
        (Reply(200, b"<html>", {"Content-Type": "text/html"}), "not a Prometheus API"),
        (Reply(200, b"[1]"), "not a Prometheus API"),
        (success({"resultType": "scalar", "result": [0, "1"]}), "scalar"),
        (success({"resultType": "string", "result": [0, "x"]}), "string"),
        (success({"resultType": "matrix", "result": [{"metric": {}, "values": [[0, "1"]]}]}), "matrix"),
    ],
)
def test_invalid_responses(client: PrometheusClient, prometheus: Prometheus, reply: Reply, message: str):
    prometheus.first_replies = [reply]
    with pytest.raises(PrometheusResponseError, match=message):
        client.get_instant("cpu")


@pytest.mark.parametrize(
    "reply",
    [
        failed(
            422, "execution", "query processing would load too many samples into memory in query execution"
        ),
        failed(503, "timeout", "query timed out in expression evaluation"),
    ],
)
def test_queries_that_are_too_large_have_their_own_exception(
    client: PrometheusClient, prometheus: Prometheus, reply: Reply
):
    prometheus.first_replies = [reply]
    with pytest.raises(TooLargeError):
        client.get_instant("cpu")


def test_a_server_that_does_not_respond():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = PrometheusClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        with pytest.raises(PrometheusResponseError, match=r"did not respond|no response"):
            client.get_instant("cpu")


def test_a_server_that_is_down():
    with pytest.raises(PrometheusResponseError, match=r"127\.0\.0\.1:9"):
        PrometheusClient("http://127.0.0.1:9/api/v1", timeout=1).get_instant("cpu")


@pytest.mark.parametrize(("url", "message"), [("", "prometheus_url is not set"), ("localhost", "URL")])
def test_an_invalid_url(url: str, message: str):
    with pytest.raises(PrometheusResponseError, match=message):
        PrometheusClient(url).get_instant("cpu")


def test_the_client_of_a_section(direct, tmp_path):
    made = prometheus_client.connect(direct, "collector_prometheus")
    assert (made.auth, made.verify, made.timeout) == (None, True, 60)
    for name, value in {
        "prometheus_user": "u",
        "prometheus_password": "p",
        "insecure": True,
        "timeout": 0,
    }.items():
        direct.set_override(name, value, "collector_prometheus")
    made = prometheus_client.connect(direct, "collector_prometheus")
    assert (made.auth, made.verify, made.timeout) == (("u", "p"), False, None)
    direct.set_override("cafile", str(tmp_path / "ca"), "collector_prometheus")
    assert prometheus_client.connect(direct, "collector_prometheus").verify == str(tmp_path / "ca")
