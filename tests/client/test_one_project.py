"""Clients whose requests are restricted to one project."""

from dataclasses import replace

import pytest
from tests.fakes.metrics_server import MetricsServer, failed, vector

from chrysaetos.client import MetricsClient, errors

NAME = "X-Chrysaetos-Project"


def restricted(**headers):
    return replace(vector("1"), headers={"Content-Type": "application/json", **headers})


def test_each_request_names_the_project_and_each_response_must():
    answers = [restricted(**{NAME: "P"}), vector("1")]
    with MetricsServer(answers) as server, MetricsClient.direct(server.url) as client:
        assert len(client.for_project("P").query_vector("up")) == 1
        assert len(client.query_vector("up")) == 1  # the original client is not restricted
    assert [request.headers.get(NAME.lower()) for request in server.requests] == ["P", None]


@pytest.mark.parametrize(
    "headers", [{}, {NAME: "Q"}, {NAME: "p"}, {NAME: "P,Q"}, {"X-Chrysaetos-Scope": "restricted"}]
)
def test_a_response_that_may_have_other_projects_series_is_rejected(headers):
    with MetricsServer([restricted(**headers)]) as server, MetricsClient.direct(server.url) as client:
        with pytest.raises(errors.NotSupported, match="ignores X-Chrysaetos-Project"):
            client.for_project("P").query("up")
        assert len(server.requests) == 1


def test_an_error_is_that_of_the_server():
    with MetricsServer([failed(403, "forbidden", "not yours")]) as server:
        client = MetricsClient.direct(server.url).for_project("P")
        with pytest.raises(errors.Forbidden, match="not yours"):
            client.query("up")


@pytest.mark.parametrize("project", ["", "A,B", "A B", "A\r\nX-Y: z", "é", "x" * 256, None, 5])
def test_an_id_that_no_header_can_have_is_rejected(project):
    with pytest.raises(errors.InvalidArgument, match="project_id"):
        MetricsClient.direct("http://127.0.0.1:9").for_project(project)


def test_changes_are_not_sent():
    with MetricsServer([vector("1")]) as server, MetricsClient.direct(server.url) as client:
        with pytest.raises(errors.InvalidArgument, match="change"):
            client.for_project("P").delete_series("up")
        assert server.requests == []
