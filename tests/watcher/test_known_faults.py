"""Known faults of Watcher's own class, reproduced with it, and the behaviour of ours instead.

``stock`` is ``watcher.decision_engine.datasources.aetos.AetosHelper`` as released, ``ours`` AetosDatasource;
both use the same server and the same type of session.
"""

from __future__ import annotations

import logging
import math
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from oslo_config import cfg
from tests.fakes.metrics_server import MetricsServer, Reply, failed, success
from tests.watcher.alone import PARAMETERS, actions, load
from tests.watcher.answers import HOST, INSTANCE, EmptyCatalog, answering, queries, targets, vector
from tests.watcher.conftest import clients_of
from tests.watcher.sample import wait_for_targets
from watcher.common import clients, exception
from watcher.decision_engine.datasources.manager import DataSourceManager

from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.watcher.datasource import AetosDatasource
from chrysaetos.watcher.start import check_at_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oslo_config.fixture import Config
    from tests.fakes.metrics_server import Request
    from tests.watcher.sample import SampleCloud

AetosHelper: Any = pytest.importorskip(
    "watcher.decision_engine.datasources.aetos", reason="Watcher 14 has no datasource aetos"
).AetosHelper

pytestmark = pytest.mark.usefixtures("conf")

TRIES = 3
"""The value of query_max_retries in the fixture ``conf``."""


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# 1. Permanent errors are retried


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "bad_data"), (403, "forbidden"), (404, "not_found"), (422, "execution")]
)
def test_1_a_rejected_query_is_not_repeated(status: int, kind: str) -> None:
    with MetricsServer(answering(failed(status, kind, "because"), "a.example")) as server:
        assert AetosHelper(clients_of(server.url)).get_host_cpu_usage(HOST) is None
        assert len(queries(server)) == TRIES
        server.requests.clear()
        ours = AetosDatasource(clients_of(server.url))
        for _ in range(2):
            with pytest.raises(exception.DataSourceNotAvailable, match="because"):
                ours.get_host_cpu_usage(HOST)
        assert len(queries(server)) == 1


def test_1_an_outage_is_retried_up_to_the_limit() -> None:
    down = Reply(503, b"", {"Retry-After": "0"})
    with MetricsServer(answering(down, "a.example")) as server:
        with pytest.raises(exception.DataSourceNotAvailable):
            AetosDatasource(clients_of(server.url)).get_host_cpu_usage(HOST)
        assert len(queries(server)) == TRIES


@pytest.mark.parametrize("first", [Reply(503, b"", {"Retry-After": "0"}), Reply(200, b"12345", cut=2)])
def test_1_a_short_outage_is_not_an_error(first: Reply) -> None:
    replies = [targets("a.example"), first, vector(("fqdn", "a.example", "7"))]
    with MetricsServer(replies) as server:
        assert AetosDatasource(clients_of(server.url)).get_host_cpu_usage(HOST) == 7


class _Renewing(Token):
    """Credentials that issue a new token when one is rejected."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint, "token")
        self.renewed = 0

    def invalidate(self) -> bool:
        self.renewed += 1
        return True


def test_1_a_rejected_token_is_renewed_once() -> None:
    with MetricsServer(answering(failed(401, "unauthorized", "who?"), "a.example")) as server:

        def osc() -> tuple[Any, _Renewing]:
            created, auth = clients.OpenStackClients(), _Renewing(server.url)
            created._session = Session(auth=auth)
            return created, auth

        created, auth = osc()
        assert AetosHelper(created).get_host_cpu_usage(HOST) is None
        assert (len(queries(server)), auth.renewed) == (2 * TRIES, TRIES)
        server.requests.clear()
        created, auth = osc()
        with pytest.raises(exception.DataSourceNotAvailable, match="unauthorized"):
            AetosDatasource(created).get_host_cpu_usage(HOST)
        assert (len(queries(server)), auth.renewed) == (2, 1)


# 2. A host without a scrape target, or an instance without data, ends an audit


@pytest.fixture(scope="module")
def incomplete(
    cloud: SampleCloud, now: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Prometheus, str, list[str]]]:
    """A Prometheus without data of one busy host, and of one instance on each host."""
    host = max(cloud.hosts, key=cloud.host_cpu).name
    # The least busy of each host. The others have data: node_exporter does not depend on the host's target.
    idle = [min(some, key=lambda one: one.cpu * one.vcpus).uuid for some in cloud.on_host.values()]
    missing = [host, *idle]
    server = Prometheus(tmp_path_factory.mktemp("incomplete"))
    server.scrape_configs = cloud.scrape_configs(without=missing)
    server.backfill(cloud.text(now, without=missing))
    with server:
        wait_for_targets(server, len(cloud.hosts) - 1)
        yield server, host, idle


@pytest.mark.parametrize("name", PARAMETERS)
def test_2_missing_data_does_not_end_an_audit(
    conf: Config, cloud: SampleCloud, incomplete: tuple[Prometheus, str, list[str]], name: str
) -> None:
    prometheus, host, idle = incomplete
    address, port = prometheus.url.removeprefix("http://").split(":")
    conf.config(group="prometheus_client", host=address, port=int(port))
    conf.config(group="watcher_datasources", datasources=["prometheus"])
    osc = clients_of(prometheus.url)
    with pytest.raises((exception.InvalidParameter, KeyError)):
        actions(load(name, cloud, osc))
    conf.config(group="watcher_datasources", datasources=["aetos"])
    proposed = str(actions(load(name, cloud, osc)))
    assert "migrate" in proposed
    if name.startswith("workload"):
        assert not any(instance in proposed for instance in idle)
    if name == "workload_stabilization":
        assert host not in proposed


# 3. 0 is treated as no data, NaN as a number, the first of several series as all; None is not cached


def test_3_an_idle_host_has_a_usage_of_0() -> None:
    with MetricsServer(answering(vector(("fqdn", "a.example", "0")), "a.example")) as server:
        osc = clients_of(server.url)
        assert AetosHelper(osc).get_host_cpu_usage(HOST) is None
        assert AetosDatasource(osc).get_host_cpu_usage(HOST) == 0.0
        assert AetosDatasource(osc).get_host_ram_usage(HOST) == 0.0


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_3_values_that_are_not_finite_are_no_data(value: str) -> None:
    with MetricsServer(answering(vector(("fqdn", "a.example", value)), "a.example")) as server:
        osc = clients_of(server.url)
        assert not math.isfinite(AetosHelper(osc).get_host_cpu_usage(HOST))
        assert AetosDatasource(osc).get_host_cpu_usage(HOST) is None


def test_3_missing_data_is_cached() -> None:
    with MetricsServer(answering(vector())) as server:
        osc = clients_of(server.url)
        for datasource, count in ((AetosHelper(osc), 2), (AetosDatasource(osc), 1)):
            server.requests.clear()
            assert datasource.get_instance_ram_usage(INSTANCE) is None
            assert datasource.get_instance_ram_usage(INSTANCE) is None
            assert len(queries(server)) == count


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A host whose CPUs have different, changing usage, and an instance with two series."""
    now = int(time.time())
    times = range(now // 60 * 60 - 3600, now + 1800, 60)
    labels = f'resource="{INSTANCE.uuid}"'
    lines = [f'ceilometer_memory_usage{{{labels},node="{n}"}} {n}00 {at}' for n in (1, 3) for at in times]
    # Usage of 20 % (CPU 0: 10, CPU 1: 30), and of 80 % (70, 90) for the last four minutes.
    change = now - 240
    for cpu, (before, since) in enumerate(((0.9, 0.3), (0.7, 0.1))):
        for at in times:
            idle = before * min(at - times[0], change - times[0]) + since * max(0, at - change)
            lines.append(f'node_cpu_seconds_total{{fqdn="a.example",mode="idle",cpu="{cpu}"}} {idle} {at}')
    server = Prometheus(tmp_path_factory.mktemp("odd"))
    server.scrape_configs = [
        {
            "job_name": "node",
            "static_configs": [{"targets": ["127.0.0.1:1"], "labels": {"fqdn": "a.example"}}],
        }
    ]
    server.backfill("\n".join([*lines, "# EOF", ""]))
    with server:
        wait_for_targets(server, 1)
        yield server


def test_3_several_series_of_one_instance_are_averaged(odd: Prometheus) -> None:
    osc = clients_of(odd.url)
    assert AetosHelper(osc).get_instance_ram_usage(INSTANCE) in {100, 300}
    assert AetosDatasource(osc).get_instance_ram_usage(INSTANCE) == 200


# 4. Callers of statistic_aggregation get min for max; extremes are across cores, not over time


def test_4_extremes_are_those_over_time(odd: Prometheus) -> None:
    def usage(datasource: Any, aggregate: str) -> float:
        """Call the method like workload_stabilization."""
        return float(
            datasource.statistic_aggregation(HOST, "compute_node", "host_cpu_usage", 1800, aggregate, 120)
        )

    osc = clients_of(odd.url)
    stock = AetosHelper(osc)
    # The "max" is that of the least busy core.
    assert usage(stock, "max") < usage(stock, "mean") < usage(stock, "min") < 50
    ours = AetosDatasource(osc)
    assert usage(ours, "max") == pytest.approx(80, abs=0.1)
    assert usage(ours, "min") == pytest.approx(20, abs=0.1)
    assert usage(ours, "mean") == pytest.approx(usage(stock, "mean"), abs=0.5)
    assert ours.get_host_cpu_usage(HOST, 1800, "max", 120) == usage(ours, "max")


# 5. count returns the average, label values are not quoted, a period of 0 is sent


def test_5_count_is_the_number_of_samples(odd: Prometheus) -> None:
    osc = clients_of(odd.url)
    assert AetosHelper(osc).get_instance_ram_usage(INSTANCE, 600, "count") in {100, 300}
    assert AetosDatasource(osc).get_instance_ram_usage(INSTANCE, 600, "count") in {10, 11}


def test_5_label_values_are_quoted() -> None:
    uuid = "'} or vector(1) #"
    instance = SimpleNamespace(uuid=uuid, vcpus=1)
    matrix = success({"resultType": "matrix", "result": []})

    def answer(request: Request) -> Reply:
        return matrix if request.path.endswith("query_range") else answering(vector())(request)

    with MetricsServer(answer) as server:
        osc = clients_of(server.url)
        AetosHelper(osc).get_instance_ram_usage(instance)
        assert uuid in queries(server)[-1]
        ours = AetosDatasource(osc)
        ours.get_instance_ram_usage(instance)
        assert uuid not in queries(server)[-1]
        ours.statistic_series(instance, "instance", "instance_ram_usage")
        assert f'{{resource="{uuid}"}}' in server.requests[-1].parameters["query"]


@pytest.mark.parametrize("period", [0, -1, "300", True, None, float("inf"), float("nan")])
def test_5_an_invalid_period_is_rejected(period: Any) -> None:
    with MetricsServer(answering(vector())) as server:
        ours = AetosDatasource(clients_of(server.url))
        with pytest.raises(exception.InvalidParameter, match="period"):
            ours.get_instance_ram_usage(INSTANCE, period)
        assert queries(server) == []
        AetosHelper(clients_of(server.url)).get_instance_ram_usage(INSTANCE, 0)
        assert "[0s]" in queries(server)[0]


# 6. Two hosts with the same short name


def test_6_an_ambiguous_short_name_is_not_resolved(caplog: pytest.LogCaptureFixture) -> None:
    node = SimpleNamespace(uuid="host-2", hostname="a")
    both = vector(("fqdn", "a.one.example", "1"), ("fqdn", "a.two.example", "2"))
    with MetricsServer(answering(both, "a.one.example", "a.two.example")) as server:
        osc = clients_of(server.url)
        assert len(AetosHelper(osc).prometheus_host_instance_map) == 1
        ours = AetosDatasource(osc)
        assert ours.get_host_cpu_usage(node) is None
        assert "a.one.example and a.two.example have this short name" in caplog.text
        node.hostname = "a.two.example"
        assert ours.get_host_cpu_usage(node) == 2


# 7. Two datasources share one metric map; renamed meters are rejected


def test_7_a_renamed_meter_affects_one_datasource(conf: Config, tmp_path: Path) -> None:
    renamed = tmp_path / "metric_map.yaml"
    renamed.write_text("aetos:\n  host_cpu_usage: site_cpu_seconds_total\n  host_power: ipmi_power_watts\n")
    conf.config(group="watcher_decision_engine", metric_map_path=str(renamed))
    conf.config(group="watcher_datasources", datasources=["aetos"])
    before = {name: dict(values) for name, values in DataSourceManager.metric_map.items()}
    with MetricsServer(answering(vector(("fqdn", "a.example", "3")), "a.example")) as server:
        osc = clients_of(server.url)
        try:
            manager = DataSourceManager(config=cfg.CONF.watcher_datasources, osc=osc)
            ours = manager.get_backend(["host_cpu_usage", "host_power"])
            assert ours.get_host_cpu_usage(HOST) == ours.get_host_power(HOST) == 3
            assert "site_cpu_seconds_total" in queries(server)[0]
            assert "ipmi_power_watts" in queries(server)[1]
            assert DataSourceManager.metric_map["prometheus"] == before["prometheus"]
            stock = AetosHelper(osc)
            stock.METRIC_MAP = {**stock.METRIC_MAP, "host_cpu_usage": "site_cpu_seconds_total"}
            with pytest.raises(exception.InvalidParameter, match="Cannot process prometheus meter"):
                stock.get_host_cpu_usage(HOST)
        finally:
            DataSourceManager.metric_map["aetos"].update(before["aetos"])


# 8. The session is modified


def test_8_the_session_is_not_modified() -> None:
    with MetricsServer(answering(vector(("fqdn", "a.example", "3")), "a.example")) as server:
        osc = clients_of(server.url)
        osc.session.verify = "/etc/ssl/cloud.pem"
        before = dict(vars(osc.session))
        assert AetosDatasource(osc).get_host_cpu_usage(HOST) == 3
        assert vars(osc.session) == before


# 9. Nothing is logged when Aetos is not registered, or when it is loaded


def test_9_a_missing_registration_is_logged(
    conf: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    osc = clients.OpenStackClients()
    osc._session = Session(auth=EmptyCatalog("http://127.0.0.1:1", "token"))
    monkeypatch.setattr(clients, "OpenStackClients", lambda: osc)
    conf.config(group="watcher_datasources", datasources=["aetos"])
    conf.config(group="aetos_client", region_name="RegionOne")
    line = (
        "Aetos service not registered in Keystone: no metric-storage service in the catalog for interface "
        "public in region RegionOne"
    )
    manager = DataSourceManager(config=cfg.CONF.watcher_datasources, osc=osc)
    with pytest.raises(exception.MetricNotAvailable):
        manager.get_backend(["host_cpu_usage"])
    assert line in caplog.text
    caplog.clear()
    with pytest.raises(SystemExit, match=line):
        check_at_start()
    assert line in caplog.text
