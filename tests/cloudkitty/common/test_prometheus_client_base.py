from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from tests.cloudkitty.conftest import Prometheus, item
from tests.fakes.metrics_server import success

from chrysaetos.client import MetricsClient, errors
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    NotPrivilegedError,
    PrometheusClientBase,
    PrometheusResponseError,
    TooLargeError,
    convert_errors,
)

NOON = "2026-11-21T12:00:00+00:00"


class Client(PrometheusClientBase):
    def __init__(self, url: str) -> None:
        self._client = MetricsClient.direct(url, timeout=5)


@pytest.fixture
def client(prometheus: Prometheus) -> Client:
    return Client(prometheus.url)


def test_parameters_that_are_none_are_not_sent(client: Client, prometheus: Prometheus):
    client.get_instant("cpu")
    assert set(prometheus.requests[0].parameters) == {"query", "timeout"}


@pytest.mark.parametrize("time", [NOON, "2026-11-21T13:00:00+01:00"])
def test_a_time(client: Client, prometheus: Prometheus, time):
    client.get_instant("cpu", time)
    assert float(prometheus.requests[0].parameters["time"]) == 1795262400


def test_a_time_without_a_zone_is_rejected(client: Client):
    with pytest.raises(PrometheusResponseError, match="zone"):
        client.get_instant("cpu", "2026-11-21T12:00:00")


def test_values_keep_their_digits(client: Client, prometheus: Prometheus):
    prometheus.items = [item(value) for value in ("0.1", "12345678901234567", "1e-07", "NaN", "+Inf")]
    elements = client.get_instant("cpu")["data"]["result"]
    values = [element["value"][1] for element in elements]
    assert values == ["0.1", "12345678901234567", "1E-7", "NaN", "Infinity"]


def test_a_restricted_result_is_rejected(client: Client, prometheus: Prometheus):
    reply = success({"resultType": "vector", "result": []})
    for scope, rejected in (("all", False), ("restricted", True), ("unknown", True)):
        headers = {"Content-Type": "application/json", "X-Chrysaetos-Scope": scope}
        prometheus.first_replies = [replace(reply, headers=headers)]
        if rejected:
            with pytest.raises(NotPrivilegedError, match="do not have access to all projects"):
                client.get_instant("cpu")
        else:
            client.get_instant("cpu")


def test_a_native_histogram_has_no_value(client: Client, prometheus: Prometheus):
    prometheus.items = [{"metric": {}, "histogram": [0, {"count": "1", "sum": "2"}]}]
    response = client.get_instant("cpu")
    assert response["data"]["result"] == [{"metric": {}}]


@pytest.mark.parametrize(
    ("kind", "result"), [("scalar", [1, "2"]), ("matrix", [{"metric": {}, "values": [[1, "2"]]}])]
)
def test_other_results_than_vectors_are_rejected(
    client: Client, prometheus: Prometheus, kind: str, result: list[Any]
):
    prometheus.first_replies = [success({"resultType": kind, "result": result})]
    with pytest.raises(PrometheusResponseError, match=f"expected a vector, got a {kind}: cpu"):
        client.get_instant("cpu")


def test_warnings_are_logged(client, prometheus: Prometheus, caplog: pytest.LogCaptureFixture):
    prometheus.annotations = {"warnings": ["a store gateway did not answer"]}
    with caplog.at_level(logging.WARNING):
        client.get_instant("cpu")
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
    with pytest.raises(PrometheusResponseError) as raised, convert_errors():
        raise error
    assert (type(raised.value), str(raised.value)) == (kind, message)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [NotPrivilegedError, TooLargeError])
def test_all_exceptions_have_a_common_base(error):
    assert issubclass(error, PrometheusResponseError)
