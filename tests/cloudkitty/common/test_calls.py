from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from tests.cloudkitty.conftest import Prometheus, item
from tests.fakes.metrics_server import success

from chrysaetos.client import MetricsClient, errors
from chrysaetos.cloudkitty.common import calls
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    NotPrivilegedError,
    PrometheusResponseError,
    TooLargeError,
)

NOON = "2026-11-21T12:00:00+00:00"


@pytest.fixture
def client(prometheus: Prometheus) -> MetricsClient:
    return MetricsClient.direct(prometheus.url, timeout=5)


def test_parameters_that_are_none_are_not_sent(client: MetricsClient, prometheus: Prometheus):
    calls.send(client, "query", {"query": "cpu", "time": None, "timeout": None})
    assert set(prometheus.requests[0].parameters) == {"query", "timeout"}


@pytest.mark.parametrize("time", [NOON, "2026-11-21T13:00:00+01:00", 1795262400])
def test_a_time(client: MetricsClient, prometheus: Prometheus, time):
    calls.send(client, "query", {"query": "cpu", "time": time})
    assert float(prometheus.requests[0].parameters["time"]) == 1795262400


def test_a_time_without_a_zone_is_rejected(client: MetricsClient):
    with pytest.raises(PrometheusResponseError, match="zone"):
        calls.send(client, "query", {"query": "cpu", "time": "2026-11-21T12:00:00"})


def test_values_keep_their_digits(client: MetricsClient, prometheus: Prometheus):
    prometheus.items = [item(value) for value in ("0.1", "12345678901234567", "1e-07", "NaN", "+Inf")]
    response = calls.send(client, "query", {"query": "cpu"})
    values = [element["value"][1] for element in calls.require_vector(response, "cpu")]
    assert values == ["0.1", "12345678901234567", "1E-7", "NaN", "Infinity"]


@pytest.mark.parametrize("endpoint", ["query", "query_range"])
def test_a_restricted_result_is_rejected(client: MetricsClient, prometheus: Prometheus, endpoint):
    times = {"start": NOON, "end": NOON, "step": 60} if endpoint == "query_range" else {}
    reply = success({"resultType": "matrix" if times else "vector", "result": []})
    for scope, rejected in (("all", False), ("restricted", True), ("unknown", True)):
        headers = {"Content-Type": "application/json", "X-Chrysaetos-Scope": scope}
        prometheus.first_replies = [replace(reply, headers=headers)]
        if rejected:
            with pytest.raises(NotPrivilegedError, match="do not have access to all projects"):
                calls.send(client, endpoint, {"query": "cpu", **times})
        else:
            calls.send(client, endpoint, {"query": "cpu", **times})


def test_a_native_histogram_has_no_value(client: MetricsClient, prometheus: Prometheus):
    prometheus.items = [{"metric": {}, "histogram": [0, {"count": "1", "sum": "2"}]}]
    response = calls.send(client, "query", {"query": "cpu"})
    assert response["data"]["result"] == [{"metric": {}}]


def test_other_results_than_vectors_are_rejected(client: MetricsClient, prometheus: Prometheus):
    prometheus.first_replies = [success({"resultType": "scalar", "result": [1, "2"]})]
    response = calls.send(client, "query", {"query": "scalar(cpu)"})
    assert response["data"] == {"resultType": "scalar", "result": [1, "2"]}
    with pytest.raises(PrometheusResponseError, match=r"expected a vector, got a scalar: scalar\(cpu\)"):
        calls.require_vector(response, "scalar(cpu)")


def test_a_range(client: MetricsClient, prometheus: Prometheus):
    series = {"metric": {"vm": "a"}, "values": [[1795262400, "1"], [1795262460, "2"]]}
    prometheus.first_replies = [success({"resultType": "matrix", "result": [series]})]
    response = calls.send(client, "query_range", {"query": "cpu", "start": NOON, "end": NOON, "step": 60})
    assert response["data"] == {"resultType": "matrix", "result": [series]}


def test_warnings_are_logged(client, prometheus: Prometheus, caplog: pytest.LogCaptureFixture):
    prometheus.annotations = {"warnings": ["a store gateway did not answer"]}
    with caplog.at_level(logging.WARNING):
        calls.send(client, "query", {"query": "cpu"})
    assert "the query cpu: a store gateway did not answer" in caplog.text


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (errors.BadQuery("wrong", error_type="bad_data"), PrometheusResponseError, "bad_data: wrong"),
        (errors.Unauthorized("who?"), PrometheusResponseError, "who?"),
        (errors.TooLarge("much", error_type="execution"), TooLargeError, "execution: much"),
        (errors.Timeout("late", error_type="timeout"), TooLargeError, "timeout: late"),
    ],
)
def test_errors_are_converted(error, kind, message):
    with pytest.raises(PrometheusResponseError) as raised, calls.convert_errors():
        raise error
    assert (type(raised.value), str(raised.value)) == (kind, message)
    assert raised.value.__cause__ is error
