from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes.metrics_server import MetricsServer, failed, success
from tests.watcher.answers import HOST, INSTANCE, answering, queries, targets, vector
from tests.watcher.conftest import datasource_of, has_aetos
from watcher.common import exception

from chrysaetos.watcher.connection import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from oslo_config.fixture import Config
    from tests.fakes.metrics_server import Reply, Request
    from tests.watcher.sample import SampleCloud

    from chrysaetos.demo.prometheus import Prometheus
    from chrysaetos.watcher.grouped import GroupedDatasource

pytestmark = pytest.mark.usefixtures("conf")

SECTION = "aetos_client" if has_aetos else "prometheus_client"
FORBIDDEN = (
    "the user in [watcher_clients_auth] needs the role admin or service"
    if has_aetos
    else "Prometheus: not you"
)


def matrix(*points: tuple[float, str]) -> Reply:
    series = [{"metric": {}, "values": [list(point) for point in points]}] if points else []
    return success({"resultType": "matrix", "result": series})


def test_metrics_are_in_watchers_units(prometheus: Prometheus, cloud: SampleCloud) -> None:
    ours = datasource_of(prometheus.url)
    host = cloud.hosts[0]
    node = SimpleNamespace(uuid=host.uuid, hostname=host.name)
    one = cloud.on_host[host.name][0]
    instance = SimpleNamespace(uuid=one.uuid, vcpus=one.vcpus, memory=one.memory, disk=one.disk)
    assert ours.get_host_cpu_usage(node) == pytest.approx(cloud.host_cpu(host))
    assert ours.get_host_ram_usage(node) == (196608 * 1024**2 - cloud.host_free(host)) / 1024
    assert ours.get_instance_cpu_usage(instance) == pytest.approx(one.cpu, abs=1e-6)
    assert ours.get_instance_ram_usage(instance) == one.ram
    assert ours.get_instance_ram_allocated(instance) == one.memory
    assert ours.get_instance_root_disk_size(instance) == one.disk


def test_a_short_name_finds_its_host(prometheus: Prometheus, cloud: SampleCloud) -> None:
    ours = datasource_of(prometheus.url)
    short = SimpleNamespace(uuid="1", hostname=cloud.hosts[0].name.partition(".")[0])
    assert ours.get_host_cpu_usage(short) == pytest.approx(cloud.host_cpu(cloud.hosts[0]))


def test_a_metric_over_time(prometheus: Prometheus, cloud: SampleCloud, now: int) -> None:
    ours = datasource_of(prometheus.url)
    one = cloud.instances[0]
    instance = SimpleNamespace(uuid=one.uuid, vcpus=one.vcpus)
    end = datetime.fromtimestamp(now, UTC)
    series = ours.statistic_series(
        instance, "instance", "instance_cpu_usage", end - timedelta(minutes=50), end, granularity=600
    )
    assert list(series) == [end - timedelta(minutes=minutes) for minutes in (50, 40, 30, 20, 10, 0)]
    assert all(value == pytest.approx(one.cpu, abs=1e-6) for value in series.values())
    naive = ours.statistic_series(
        instance, "instance", "instance_cpu_usage", None, end.replace(tzinfo=None), granularity=1800
    )
    assert list(naive) == [end - timedelta(hours=1), end - timedelta(minutes=30), end]


def test_a_series_has_only_finite_values() -> None:
    def answer(request: Request) -> Reply:
        if request.path.endswith("query_range"):
            return matrix((60, "1"), (120, "NaN"))
        return targets("a.example")

    with MetricsServer(answer) as server:
        ours = datasource_of(server.url)
        found = ours.statistic_series(HOST, "compute_node", "host_ram_usage")
        assert found == {datetime.fromtimestamp(60, UTC): 1.0}
        unknown = SimpleNamespace(uuid="s", hostname="s")
        assert ours.statistic_series(unknown, "compute_node", "host_ram_usage") == {}
        assert ours.statistic_series(HOST, "storage", "host_ram_usage") == {}
        end = datetime(2026, 1, 1, tzinfo=UTC)
        memory = ours.statistic_series(INSTANCE, "instance", "instance_ram_allocated", end_time=end)
        assert memory == {end: 512.0}
        for invalid in ({"granularity": 0}, {"start_time": end, "end_time": end - timedelta(seconds=1)}):
            with pytest.raises(exception.InvalidParameter):
                ours.statistic_series(HOST, "compute_node", "host_ram_usage", **invalid)


def test_a_failed_series_is_an_error() -> None:
    with MetricsServer(answering(failed(422, "execution", "no"), "a.example")) as server:
        ours = datasource_of(server.url)
        with pytest.raises(exception.DataSourceNotAvailable, match="no"):
            ours.statistic_series(HOST, "compute_node", "host_ram_usage")


def test_availability_and_metrics_of_a_real_prometheus(prometheus: Prometheus) -> None:
    ours = datasource_of(prometheus.url)
    assert ours.check_availability() == "available"
    assert ours.list_metrics() >= {"ceilometer_cpu", "node_cpu_seconds_total"}


def test_a_forbidden_server_is_not_available(caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: Request) -> Reply:
        return targets("a") if request.path.endswith("targets") else failed(403, "forbidden", "not you")

    with MetricsServer(answer) as server:
        ours = datasource_of(server.url)
        assert ours.check_availability() == "not available"
        assert ours.list_metrics() == set()
    assert caplog.text.count(FORBIDDEN) == 2


def test_new_hosts_are_found_and_unknown_hosts_are_looked_up_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ["a.example"]

    def answer(request: Request) -> Reply:
        if request.path.endswith("targets"):
            return targets(*names)
        return vector(*(("fqdn", name, "5") for name in names))

    with MetricsServer(answer) as server:
        ours = datasource_of(server.url)
        assert ours.get_host_cpu_usage(HOST) == 5
        names.append("b.example")
        assert ours.get_host_cpu_usage(SimpleNamespace(uuid="b", hostname="b")) == 5
        count = len(server.requests)
        for _ in range(3):
            for name in ("c", "d"):
                assert ours.get_host_cpu_usage(SimpleNamespace(uuid=name, hostname=name)) is None
        assert len(server.requests) == count + 1
    assert caplog.text.count("no metrics for host") == 2


def test_a_missing_host_label_is_logged(conf: Config, caplog: pytest.LogCaptureFixture) -> None:
    conf.config(group=SECTION, fqdn_label="hostname")
    with MetricsServer(answering(vector(), "a.example")) as server:
        datasource_of(server.url)
    assert "no active target of Prometheus has the label hostname" in caplog.text


def test_labels_of_the_configuration_are_used(conf: Config) -> None:
    conf.config(group=SECTION, instance_uuid_label="vm")
    with MetricsServer(answering(vector(("vm", INSTANCE.uuid, "9")))) as server:
        assert datasource_of(server.url).get_instance_ram_usage(INSTANCE) == 9
        assert "by (vm)" in queries(server)[0]


def test_an_instance_without_vcpus_has_one(caplog: pytest.LogCaptureFixture) -> None:
    with MetricsServer(answering(vector(("resource", INSTANCE.uuid, "5e8")))) as server:
        ours = datasource_of(server.url)
        assert ours.get_instance_cpu_usage(SimpleNamespace(uuid=INSTANCE.uuid, vcpus=0)) == 50
        assert "has no vCPUs" in caplog.text


def test_invalid_arguments_are_rejected() -> None:
    with MetricsServer(answering(vector())) as server:
        ours = datasource_of(server.url)
        with pytest.raises(exception.MetricNotAvailable):
            ours.get_host_power(HOST)
        with pytest.raises(exception.InvalidParameter, match="aggregate"):
            ours.get_instance_ram_usage(INSTANCE, 300, "median")
        assert ours.statistic_aggregation(INSTANCE, "storage", "instance_ram_usage") is None
        assert queries(server) == []


STORE_DOWN = "failed to receive any data from Addr: store:10901: connection refused"


def partial(kind: str, result: list[Any], **annotations: Any) -> Reply:
    return success({"resultType": kind, "result": result}, **annotations)


HALF = [{"metric": {"fqdn": "a.example"}, "value": [1.5, "5"]}]
POINTS = [{"metric": {}, "values": [[60, "1"]]}]


@pytest.mark.parametrize("annotations", [{"warnings": [STORE_DOWN]}, {"isPartial": True}])
def test_missing_data_are_an_error(annotations: dict[str, Any]) -> None:
    def answer(request: Request) -> Reply:
        if request.path.endswith("targets"):
            return targets("a.example", "b.example")
        if request.path.endswith("query_range"):
            return partial("matrix", POINTS, **annotations)
        return partial("vector", HALF, **annotations)

    with MetricsServer(answer) as server:
        ours = datasource_of(server.url)
        with pytest.raises(exception.DataSourceNotAvailable, match="data are missing in the response"):
            ours.get_host_ram_usage(HOST)
        with pytest.raises(exception.DataSourceNotAvailable, match="data are missing in the response"):
            ours.statistic_series(HOST, "compute_node", "host_ram_usage")


def test_missing_targets_are_an_error() -> None:
    found = success({"activeTargets": [{"labels": {"fqdn": "a.example"}}]}, warnings=[STORE_DOWN])
    with (
        MetricsServer(lambda _: found) as server,
        pytest.raises(RequestFailed, match="connection refused"),
    ):
        datasource_of(server.url)


def test_missing_data_can_be_allowed_and_are_logged(conf: Config, caplog: pytest.LogCaptureFixture) -> None:
    conf.config(group="aetos_client", allow_partial=True)
    reply = partial("vector", HALF, warnings=[STORE_DOWN])
    with MetricsServer(answering(reply, "a.example", "b.example")) as server:
        assert datasource_of(server.url).get_host_ram_usage(HOST) == 5
    assert STORE_DOWN in caplog.text


def test_annotations_of_the_query_are_no_missing_data() -> None:
    reply = partial("vector", HALF, warnings=["PromQL info: metric might not be a counter"])
    with MetricsServer(answering(reply, "a.example")) as server:
        assert datasource_of(server.url).get_host_ram_usage(HOST) == 5


def test_a_truncated_result_is_read_in_parts_and_not_an_error(conf: Config) -> None:
    conf.config(group="aetos_client", max_series=1)
    names = ("a.example", "b.example")

    def answer(request: Request) -> Reply:
        if request.path.endswith("targets"):
            return targets(*names)
        query = request.parameters["query"].replace("\\", "")
        found = [name for name in names if 'fqdn!=""' in query or name in query]
        result = [{"metric": {"fqdn": name}, "value": [1.5, "5"]} for name in found]
        more = {"warnings": ["results truncated due to limit"]} if len(found) > 1 else {}
        return partial("vector", result, **more)

    with MetricsServer(answer) as server:
        assert datasource_of(server.url).get_host_ram_usage(HOST) == 5
        assert len(queries(server)) == 3


@pytest.mark.parametrize(
    "result",
    [
        None,
        [None],
        [{"metric": {"fqdn": "a.example"}}],
        [{"metric": {"fqdn": "a.example"}, "value": [1, "many"]}],
        [{"metric": {"fqdn": "a.example"}, "value": [1, None]}],
        [{"metric": {"fqdn": "a.example"}, "histogram": [1, {"count": "1", "sum": "1"}]}],
    ],
)
def test_an_invalid_result_is_one_clear_error(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    with MetricsServer(answering(partial("vector", result), "a.example", "b.example")) as server:
        ours = datasource_of(server.url)
        for name in ("a.example", "b.example"):
            host = SimpleNamespace(uuid=name, hostname=name)
            with pytest.raises(exception.DataSourceNotAvailable, match=r"invalid vector|native histogram"):
                ours.get_host_ram_usage(host)
        assert len([line for line in caplog.records if line.levelno == logging.ERROR]) == 1


def test_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with MetricsServer(answering(failed(422, "execution", "boom"), "a.example")) as server:
        ours = datasource_of(server.url)
        for _ in range(3):
            with pytest.raises(exception.DataSourceNotAvailable):
                ours.get_host_cpu_usage(HOST)
    assert [record.levelno for record in caplog.records if "boom" in record.message] == [logging.ERROR]


def test_each_reading_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    getters: list[Callable[[GroupedDatasource], Any]] = [
        lambda ours: ours.get_instance_ram_usage(INSTANCE),
        lambda ours: ours.get_instance_ram_usage(INSTANCE),
    ]
    with MetricsServer(answering(vector(("resource", INSTANCE.uuid, "1")))) as server:
        ours = datasource_of(server.url)
        for get in getters:
            get(ours)
    assert (
        len(re.findall(r"instance_ram_usage, mean over 300 s: 1 instances in .* s .queries: 1", caplog.text))
        == 1
    )
