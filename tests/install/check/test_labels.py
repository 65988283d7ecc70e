"""The project's label. End-to-end tests count the series of a real Prometheus."""

from __future__ import annotations

import pytest
from tests.fakes.metrics_server import MetricsServer, Reply, success

from chrysaetos.findings import Status
from chrysaetos.install.check.labels import check_labels


def count(**metrics: int) -> list[dict[str, object]]:
    return [{"metric": {"__name__": name}, "value": [0, str(number)]} for name, number in metrics.items()]


@pytest.fixture
def check(make_setup):
    """Return a function that checks with given counts by the matchers of the query."""

    def check(counts: dict[str, list[dict[str, object]]], options: str = ""):
        def reply(request):
            matchers = request.parameters["query"].partition("{")[2].partition("}")[0]
            return success({"resultType": "vector", "result": counts.get(matchers, [])})

        with MetricsServer(reply) as server:
            port = server.url.rpartition(":")[2]
            setup = make_setup(f"[prometheus]\nhost = 127.0.0.1\nport = {port}\n{options}")
            return check_labels(setup, setup.servers[0])

    return check


def test_metrics_without_the_label_are_named(check):
    lacking = {f"m{number}": 20 - number for number in range(15)}
    (finding,), (table,) = check(
        {'project!=""': count(cpu=5, mixed=1), '__name__!="",project=""': count(mixed=2, **lacking)}
    )
    assert finding.status is Status.OK
    assert "projects can read 6 of 203 series" in finding.found
    assert "m0 (20), m1 (19)" in finding.found
    assert finding.found.endswith("and 6 more")
    assert ("mixed", "project", "1", "2") in table.rows


def test_open_metrics_count_for_all_projects(check):
    (finding,), (table,) = check(
        {'project!=""': count(cpu=5), '__name__!="",project=""': count(cloud_status=2)},
        "open_metrics = cloud_*\n",
    )
    assert finding.found == "projects can read 7 of 7 series"
    assert ("cloud_status", "(open to all)", "2", "0") in table.rows


def test_a_metric_that_the_options_name_is_judged_by_its_label(check):
    by_project = count(cpu=3)
    found, _ = check(
        {
            'project!=""': by_project,
            'tenant_id!=""': count(vm=4),
            '__name__!="",project=""': count(vm=4, net=2),
            'tenant_id=~"[0-9a-f]{32': count(vm=4, net=2),
        },
        "metric_label_names = vm:tenant_id\n",
    )
    other = [finding for finding in found if finding.status is Status.WARNING]
    assert [finding.remedy for finding in other] == ["set [prometheus] metric_label_names = net:tenant_id"]


def test_a_server_that_cannot_count_is_not_an_error(make_setup):
    with MetricsServer([Reply(422, b'{"status": "error", "error": "query timed out"}')]) as server:
        port = server.url.rpartition(":")[2]
        setup = make_setup(f"[prometheus]\nhost = 127.0.0.1\nport = {port}\n")
        (finding,), tables = check_labels(setup, setup.servers[0])
    assert finding.status is Status.SKIPPED
    assert "query timed out" in finding.found
    assert tables == []
