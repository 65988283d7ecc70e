from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

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
    calls.send(client, "cpu")
    assert set(prometheus.requests[0].parameters) == {"query", "timeout"}


@pytest.mark.parametrize("time", [NOON, "2026-11-21T13:00:00+01:00"])
def test_a_time(client: MetricsClient, prometheus: Prometheus, time):
    calls.send(client, "cpu", time)
    assert float(prometheus.requests[0].parameters["time"]) == 1795262400


def test_a_time_without_a_zone_is_rejected(client: MetricsClient):
    with pytest.raises(PrometheusResponseError, match="zone"):
        calls.send(client, "cpu", "2026-11-21T12:00:00")


def test_values_keep_their_digits(client: MetricsClient, prometheus: Prometheus):
    prometheus.items = [item(value) for value in ("0.1", "12345678901234567", "1e-07", "NaN", "+Inf")]
    elements = calls.send(client, "cpu")["data"]["result"]
    values = [element["value"][1] for element in elements]
    assert values == ["0.1", "12345678901234567", "1E-7", "NaN", "Infinity"]


def test_a_restricted_result_is_rejected(client: MetricsClient, prometheus: Prometheus):
    reply = success({"resultType": "vector", "result": []})
    for scope, rejected in (("all", False), ("restricted", True), ("unknown", True)):
        headers = {"Content-Type": "application/json", "X-Chrysaetos-Scope": scope}
        prometheus.first_replies = [replace(reply, headers=headers)]
        if rejected:
            with pytest.raises(NotPrivilegedError, match="do not have access to all projects"):
                calls.send(client, "cpu")
        else:
            calls.send(client, "cpu")


def test_a_native_histogram_has_no_value(client: MetricsClient, prometheus: Prometheus):
    prometheus.items = [{"metric": {}, "histogram": [0, {"count": "1", "sum": "2"}]}]
    response = calls.send(client, "cpu")
    assert response["data"]["result"] == [{"metric": {}}]


@pytest.mark.parametrize(
    ("kind", "result"), [("scalar", [1, "2"]), ("matrix", [{"metric": {}, "values": [[1, "2"]]}])]
)
def test_other_results_than_vectors_are_rejected(
    client: MetricsClient, prometheus: Prometheus, kind: str, result: list[Any]
):
    prometheus.first_replies = [success({"resultType": kind, "result": result})]
    with pytest.raises(PrometheusResponseError, match=f"expected a vector, got a {kind}: cpu"):
        calls.send(client, "cpu")


def test_warnings_are_logged(client, prometheus: Prometheus, caplog: pytest.LogCaptureFixture):
    prometheus.annotations = {"warnings": ["a store gateway did not answer"]}
    with caplog.at_level(logging.WARNING):
        calls.send(client, "cpu")
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
