from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
from oslo_config import cfg
from tests.fakes.metrics_server import MetricsServer
from tests.watcher.answers import answering, vector
from tests.watcher.conftest import clients_of, needs_aetos
from watcher.common import exception
from watcher.decision_engine.datasources.manager import DataSourceManager
from watcher.decision_engine.datasources.prometheus import PrometheusHelper
from watcher.decision_engine.loading.default import DefaultStrategyLoader
from watcher.decision_engine.manager import DecisionEngineManager

from chrysaetos.watcher import plugin
from chrysaetos.watcher.datasource import AetosDatasource, PrometheusDatasource

if TYPE_CHECKING:
    from oslo_config.fixture import Config


def manager(url: str, *datasources: str) -> DataSourceManager:
    cfg.CONF.set_override("datasources", list(datasources), "watcher_datasources")
    return DataSourceManager(config=cfg.CONF.watcher_datasources, osc=clients_of(url))


@pytest.fixture
def server(conf: Config) -> MetricsServer:
    running = MetricsServer(answering(vector(), "a.example"))
    host, port = running.url.removeprefix("http://").split(":")
    conf.config(group="prometheus_client", host=host, port=int(port))
    return running


def test_watcher_finds_the_strategy() -> None:
    (found,) = entry_points(group="watcher_strategies", name="aetos_check")
    assert found.load() is plugin.AetosCheck
    assert DefaultStrategyLoader().list_available()["aetos_check"] is plugin.AetosCheck


@needs_aetos
def test_each_manager_has_one_datasource(server: MetricsServer) -> None:
    with server:
        one = manager(server.url, "aetos")
        backend = one.get_backend(["host_cpu_usage"])
        assert isinstance(backend, AetosDatasource)
        assert one.aetos is backend
        assert manager(server.url, "aetos").aetos is not backend
        one.aetos = None
        assert one.aetos is not backend


def test_prometheus_is_watchers_own_by_default(server: MetricsServer, conf: Config) -> None:
    with server:
        assert isinstance(manager(server.url, "prometheus").prometheus, PrometheusHelper)
        conf.config(group="prometheus_client", grouped_queries=True)
        one = manager(server.url, "prometheus")
        assert isinstance(one.get_backend(["host_cpu_usage"]), PrometheusDatasource)
        assert one.prometheus is one.prometheus


@needs_aetos
def test_both_datasources_together_are_rejected(server: MetricsServer) -> None:
    with server, pytest.raises(exception.DataSourceConfigConflict, match="prometheus is not supported"):
        manager(server.url, "prometheus", "aetos")


@needs_aetos
def test_the_next_datasource_is_used_after_a_failure(conf: Config, caplog: pytest.LogCaptureFixture) -> None:
    with MetricsServer([]) as stopped:
        pass
    conf.config(group="watcher_datasources", query_max_retries=1)
    one = manager(stopped.url, "aetos", "gnocchi")
    assert one.get_backend(["host_cpu_usage"]).NAME == "gnocchi"
    assert "Cannot create the datasource: Aetos: " in caplog.text


def test_the_decision_engine_runs_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    reports: list[str] = []
    monkeypatch.setattr(plugin, "check_at_start", lambda: reports.append("start"))
    DecisionEngineManager()
    assert reports == ["start"]
