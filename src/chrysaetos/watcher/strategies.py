"""Make two of Watcher's strategies tolerate hosts and instances without data.

How the strategies of releases 14 to 17 handle None from a datasource:

    basic                      assumes 100 %
    vm_workload_consolidation  assumes the flavor for an instance, the sum of its instances for a host
    workload_balance           assumes 0 for an instance; fails with KeyError when it chooses one on its host
    workload_stabilization     does not move an instance; omits a host, then fails with KeyError when it
                               considers a migration from or to it

With these wrappers, the last two do not move an instance without data, and move nothing from or to a host
without data. If all data is present, and for other datasources, the wrappers change nothing.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from watcher.decision_engine.strategy.strategies.workload_balance import WorkloadBalance
from watcher.decision_engine.strategy.strategies.workload_stabilization import WorkloadStabilization

from chrysaetos.watcher.grouped import GroupedDatasource

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["install"]

_UNMEASURED = "_chrysaetos_unmeasured"
"""An attribute of WorkloadStabilization: the ids of the hosts without data."""


class _Workloads(dict[str, float]):
    """Workload by instance; infinite without data, so that it exceeds what any host has to give away."""

    def __missing__(self, _: str) -> float:
        return math.inf


def install() -> None:
    """Wrap the methods of the two classes. Calling it again has no effect."""
    for owner, name, wrap in (
        (WorkloadBalance, "choose_instance_to_migrate", _wrap_choose),
        (WorkloadStabilization, "get_available_nodes", _wrap_available),
        (WorkloadStabilization, "get_hosts_load", _wrap_loads),
    ):
        original = getattr(owner, name)
        if not hasattr(original, "__wrapped__"):
            setattr(owner, name, wrap(original))


def _is_grouped(strategy: Any) -> bool:
    return isinstance(strategy.datasource_backend, GroupedDatasource)


def _wrap_choose(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def choose_instance_to_migrate(
        self: Any, hosts: Any, avg_workload: float, workload_cache: dict[str, float]
    ) -> Any:
        workloads = _Workloads(workload_cache) if _is_grouped(self) else workload_cache
        return original(self, hosts, avg_workload, workloads)

    return choose_instance_to_migrate


def _wrap_available(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_available_nodes(self: Any) -> dict[str, Any]:
        unmeasured: frozenset[str] = getattr(self, _UNMEASURED, frozenset())
        return {uuid: node for uuid, node in original(self).items() if uuid not in unmeasured}

    return get_available_nodes


def _wrap_loads(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_hosts_load(self: Any) -> dict[str, Any]:
        loads: dict[str, Any] = original(self)
        if _is_grouped(self):
            left_out = self.get_available_nodes().keys() - loads.keys()
            setattr(self, _UNMEASURED, getattr(self, _UNMEASURED, frozenset()) | left_out)
        return loads

    return get_hosts_load
