"""Lets two of Watcher's strategies bear hosts and instances without data.

What the strategies of releases 14 to 17 do with None from a datasource:

    basic                      takes 100 % for it
    vm_workload_consolidation  takes the flavor for an instance, the sum of its instances for a host
    workload_balance           counts 0 for an instance; ends with KeyError when one is chosen on its host
    workload_stabilization     leaves an instance where it is; leaves a host out, then ends with KeyError when
                               it comes to a migration from or to it

So for the last two: what was not measured is not moved, and nothing is moved to it. Where all is measured,
and for other datasources, these functions change nothing.
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
"""Attribute of a WorkloadStabilization: the ids of the hosts without data."""


class _Workloads(dict[str, float]):
    """Workload by instance; infinite for one without data, so that no host has that much to give away."""

    def __missing__(self, _: str) -> float:
        return math.inf


def install() -> None:
    """Put the functions into the two classes. Twice is harmless."""
    for owner, name, wrap in (
        (WorkloadBalance, "choose_instance_to_migrate", _choose),
        (WorkloadStabilization, "get_available_nodes", _available),
        (WorkloadStabilization, "get_hosts_load", _loads),
    ):
        original = getattr(owner, name)
        if not hasattr(original, "__wrapped__"):
            setattr(owner, name, wrap(original))


def _ours(strategy: Any) -> bool:
    return isinstance(strategy.datasource_backend, GroupedDatasource)


def _choose(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def choose_instance_to_migrate(
        self: Any, hosts: Any, avg_workload: float, workload_cache: dict[str, float]
    ) -> Any:
        workloads = _Workloads(workload_cache) if _ours(self) else workload_cache
        return original(self, hosts, avg_workload, workloads)

    return choose_instance_to_migrate


def _available(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_available_nodes(self: Any) -> dict[str, Any]:
        unmeasured: frozenset[str] = getattr(self, _UNMEASURED, frozenset())
        return {uuid: node for uuid, node in original(self).items() if uuid not in unmeasured}

    return get_available_nodes


def _loads(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_hosts_load(self: Any) -> dict[str, Any]:
        loads: dict[str, Any] = original(self)
        if _ours(self):
            left_out = self.get_available_nodes().keys() - loads.keys()
            setattr(self, _UNMEASURED, getattr(self, _UNMEASURED, frozenset()) | left_out)
        return loads

    return get_hosts_load
