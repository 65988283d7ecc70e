"""Whole strategies with a real Prometheus: the plans equal those of Watcher's own datasource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.watcher.alone import PARAMETERS, actions, load
from tests.watcher.conftest import clients_of, needs_aetos

from chrysaetos.watcher.grouped import GroupedDatasource

if TYPE_CHECKING:
    from oslo_config.fixture import Config
    from tests.watcher.sample import SampleCloud

    from chrysaetos.demo.prometheus import Prometheus


def plan(conf: Config, name: str, cloud: SampleCloud, prometheus: Prometheus, datasource: str) -> Any:
    host, port = prometheus.url.removeprefix("http://").split(":")
    conf.config(group="watcher_datasources", datasources=[datasource])
    conf.config(group="prometheus_client", host=host, port=int(port))
    strategy = load(name, cloud, clients_of(prometheus.url))
    return actions(strategy), strategy.datasource_backend


@pytest.fixture(params=[pytest.param("aetos", marks=needs_aetos), "prometheus"])
def ours(request: pytest.FixtureRequest) -> str:
    """The name of a datasource that is to have grouped queries."""
    return str(request.param)


@pytest.mark.parametrize("name", PARAMETERS)
def test_plans_equal_those_of_the_stock_datasource(
    conf: Config, cloud: SampleCloud, prometheus: Prometheus, name: str, ours: str
) -> None:
    stock, theirs = plan(conf, name, cloud, prometheus, "prometheus")
    assert stock
    assert not isinstance(theirs, GroupedDatasource)
    conf.config(group="prometheus_client", grouped_queries=True)
    proposed, grouped = plan(conf, name, cloud, prometheus, ours)
    assert isinstance(grouped, GroupedDatasource)
    assert ours == grouped.NAME
    assert proposed == stock


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_cloud_read_in_parts_has_the_same_plan(
    conf: Config, cloud: SampleCloud, prometheus: Prometheus, name: str, ours: str
) -> None:
    conf.config(group="prometheus_client", grouped_queries=True)
    whole, one = plan(conf, name, cloud, prometheus, ours)
    conf.config(group="aetos_client", max_series=30)
    parts, many = plan(conf, name, cloud, prometheus, ours)
    assert parts == whole
    assert many._bulk.query_count > one._bulk.query_count
