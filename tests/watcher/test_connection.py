from __future__ import annotations

import pytest
from observabilityclient.prometheus_client import PrometheusAPIClientError
from tests.fakes.metrics_server import MetricsServer, failed, success

from chrysaetos.client import MetricsClient, errors
from chrysaetos.watcher.connection import Connection, RequestFailed
from chrysaetos.watcher.failures import Endpoint


def connection(server: MetricsServer) -> Connection:
    return Connection(MetricsClient.direct(server.url, retries=0), Endpoint("public"), 42)


@pytest.mark.parametrize(
    ("endpoint", "path", "data"),
    [
        ("targets?state=active", "/api/v1/targets", {"activeTargets": [], "droppedTargets": []}),
        ("label/__name__/values", "/api/v1/label/__name__/values", ["up"]),
        ("status/runtimeinfo", "/api/v1/status/runtimeinfo", {"goroutineCount": 1}),
    ],
)
def test_the_three_requests_of_the_base_class(endpoint: str, path: str, data: object) -> None:
    with MetricsServer([success(data)]) as server:
        assert connection(server)._get(endpoint) == {"status": "success", "data": data}
        assert server.requests[0].path == path
    assert "state" not in endpoint or server.requests[0].parameters["state"] == "active"


def test_a_failure_is_an_exception_of_watchers_client() -> None:
    with MetricsServer([failed(403, "forbidden", "no")]) as server:
        with pytest.raises(PrometheusAPIClientError) as caught:
            connection(server)._get("status/runtimeinfo")
        assert isinstance(caught.value, RequestFailed)
        assert str(caught.value).startswith("Aetos: forbidden")


def test_queries_have_a_limit_and_raise_errors_of_the_client() -> None:
    empty = success({"resultType": "vector", "result": []})
    with MetricsServer([empty, failed(422, "execution", "no")]) as server:
        requests = connection(server)
        assert list(requests.query("up")) == []
        assert server.requests[0].parameters["limit"] == "42"
        with pytest.raises(errors.Unprocessable):
            requests.query("up")


@pytest.mark.parametrize(
    "data",
    [{}, {"activeTargets": None}, {"activeTargets": [None]}, {"activeTargets": [{"labels": None}]}],
)
def test_invalid_targets_are_a_failure(data: object) -> None:
    with MetricsServer([success(data)]) as server:
        requests = connection(server)
        with pytest.raises(RequestFailed, match="does not contain a list of active targets"):
            requests._get("targets?state=active")
