from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from watcher.decision_engine.strategy.strategies.workload_balance import WorkloadBalance

from chrysaetos.watcher import strategies
from chrysaetos.watcher.grouped import GroupedDatasource


class Datasource(GroupedDatasource):
    def __init__(self) -> None:
        """Send no request."""


class Strategy:
    """A strategy with two hosts, one of which has no data."""

    def __init__(self, datasource: Any) -> None:
        self.datasource_backend = datasource
        self.seen: Any = None

    def get_available_nodes(self) -> dict[str, str]:
        return {"one": "ONE", "two": "TWO"}

    def get_hosts_load(self) -> dict[str, float]:
        return {"one": 1.0}

    def choose_instance_to_migrate(self, hosts: Any, average: float, workloads: dict[str, float]) -> None:
        self.seen = (hosts, average, workloads)


class Wrapped(Strategy):
    get_available_nodes = strategies._wrap_available(Strategy.get_available_nodes)
    get_hosts_load = strategies._wrap_loads(Strategy.get_hosts_load)
    choose_instance_to_migrate = strategies._wrap_choose(Strategy.choose_instance_to_migrate)


def test_a_host_without_data_is_no_longer_available() -> None:
    strategy = Wrapped(Datasource())
    assert set(strategy.get_available_nodes()) == {"one", "two"}
    assert strategy.get_hosts_load() == {"one": 1.0}
    assert set(strategy.get_available_nodes()) == {"one"}
    strategy.get_hosts_load()
    assert set(strategy.get_available_nodes()) == {"one"}


def test_an_instance_without_data_is_too_large_to_move() -> None:
    strategy = Wrapped(Datasource())
    strategy.choose_instance_to_migrate(["host"], 2.5, {"a": 1.0})
    hosts, average, workloads = strategy.seen
    assert (hosts, average, workloads["a"], workloads["b"]) == (["host"], 2.5, 1.0, math.inf)
    assert list(workloads) == ["a"]


def test_other_datasources_are_not_affected() -> None:
    strategy = Wrapped(SimpleNamespace())
    strategy.get_hosts_load()
    assert set(strategy.get_available_nodes()) == {"one", "two"}
    workloads = {"a": 1.0}
    strategy.choose_instance_to_migrate([], 0, workloads)
    assert strategy.seen[2] is workloads


def test_installing_twice_wraps_only_once() -> None:
    before = WorkloadBalance.choose_instance_to_migrate
    strategies.install()
    assert WorkloadBalance.choose_instance_to_migrate is before
