"""The queries of alarms, with a real client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.fakes.clock import Clock
from tests.fakes.metrics_server import MetricsServer, failed, success, vector

from chrysaetos.aodh.queries import Queries
from chrysaetos.client import MetricsClient, errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.metrics_server import Reply, Request

HEADER = "x-chrysaetos-project"


def gateway(answer: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """Return a server that repeats the header, as a gateway does."""

    def reply(request: Request) -> Reply:
        found = answer(request)
        project = request.headers.get(HEADER)
        return found if project is None else replace(found, headers={**found.headers, HEADER: project})

    return reply


def queries(url: str, clock: Clock | None = None) -> Queries:
    client = MetricsClient.direct(url, retries=0, timeout=5)
    return Queries(client, unrestricted={"cloud"}, seconds=30, clock=clock or Clock())


def test_a_query_is_restricted_to_its_project_and_sent_once_in_an_interval():
    clock = Clock()
    with MetricsServer(gateway(lambda _: vector("1", "NaN"))) as server:
        asked = queries(server.url, clock)
        for project in ("A", "A", "B", "A"):
            assert asked.values(project, "up")[0] == 1
        assert [request.headers[HEADER] for request in server.requests] == ["A", "B"]
        clock.now += 30
        asked.values("A", "up")
        assert len(server.requests) == 3


def test_only_named_projects_see_the_series_of_all():
    with MetricsServer(gateway(lambda _: vector("1"))) as server:
        assert queries(server.url).values("cloud", "up") == [1]
        assert HEADER not in server.requests[0].headers


def test_a_response_that_was_not_restricted_is_an_error():
    with MetricsServer(lambda _: vector("1")) as server, pytest.raises(errors.NotSupported):
        queries(server.url).values("A", "up")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"resultType": "scalar", "result": [1.5, "2.5"]}, [2.5]),
        ({"resultType": "vector", "result": []}, []),
        ({"resultType": "vector", "result": [{"metric": {}, "value": [1.5, "+Inf"]}]}, [float("inf")]),
    ],
)
def test_numbers(data, expected):
    with MetricsServer(gateway(lambda _: success(data))) as server:
        assert queries(server.url).values("A", "up") == expected


HISTOGRAM = {"count": "1", "sum": "1", "buckets": []}


@pytest.mark.parametrize(
    "data",
    [
        {"resultType": "string", "result": [1.5, "x"]},
        {"resultType": "matrix", "result": []},
        {"resultType": "vector", "result": [{"metric": {}, "histogram": [1.5, HISTOGRAM]}]},
    ],
)
def test_a_result_without_numbers_is_an_error(data):
    with MetricsServer(gateway(lambda _: success(data))) as server, pytest.raises(errors.UnexpectedResult):
        queries(server.url).values("A", "up")


def test_an_invalid_query_is_sent_once_and_does_not_affect_others():
    bad = failed(400, "bad_data", "no PromQL")
    with MetricsServer(gateway(lambda r: bad if r.parameters["query"] == "(" else vector("1"))) as server:
        asked = queries(server.url)
        for _ in range(2):
            with pytest.raises(errors.BadQuery):
                asked.values("A", "(")
        assert asked.values("A", "up") == [1]
        assert len(server.requests) == 2


def test_a_gateway_that_cannot_be_reached_is_asked_once_in_an_interval():
    clock = Clock()
    with MetricsServer(gateway(lambda _: vector("1"))) as server:
        url = server.url
    asked = queries(url, clock)
    with pytest.raises(errors.Unreachable) as first:
        asked.values("A", "up")
    with pytest.raises(errors.Unreachable) as second:
        asked.values("B", "down")
    assert second.value is first.value
    clock.now += 30
    with pytest.raises(errors.Unreachable) as third:
        asked.values("B", "down")
    assert third.value is not first.value


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failed(504, "timeout", "query timed out"), errors.Timeout),
        (replace(vector("1"), cut=20), errors.Unreachable),  # as a gateway ends one that is too long
    ],
)
def test_a_costly_query_affects_only_the_alarms_of_its_project(answer, kind):
    with MetricsServer(
        gateway(lambda r: answer if r.parameters["query"] == "costly" else vector("1"))
    ) as server:
        asked = queries(server.url)
        for query in ("costly", "up"):
            with pytest.raises(kind):
                asked.values("A", query)
        assert asked.values("B", "up") == [1]
        assert len(server.requests) == 2
