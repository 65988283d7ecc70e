"""Run a strategy of Watcher without daemon and database, on a generated model of the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.common.utils import StrictDefaultValidatingDraft4Validator, Struct
from watcher.decision_engine.loading.default import DefaultStrategyLoader
from watcher.decision_engine.model import element
from watcher.decision_engine.model.model_root import ModelRoot

if TYPE_CHECKING:
    from tests.watcher.sample import SampleCloud

__all__ = ["PARAMETERS", "actions", "load", "model_of"]

PARAMETERS: dict[str, dict[str, Any]] = {
    "workload_balance": {},
    # The other methods to choose a host are random, or try every pair.
    "workload_stabilization": {"host_choice": "cycle"},
    "vm_workload_consolidation": {},
    "basic": {},
}
"""The strategies whose metrics Prometheus has, with parameters that make them deterministic."""


def model_of(cloud: SampleCloud) -> ModelRoot:
    """Return Watcher's model of the cloud."""
    model = ModelRoot()
    topology = cloud.topology()
    nodes = {}
    for values in topology["compute_nodes"]:
        node = element.ComputeNode(
            **values, vcpu_ratio=1.0, memory_ratio=1.0, disk_ratio=1.0, disk_gb_reserved=0, **_RESERVED
        )
        model.add_node(node)
        nodes[node.hostname] = node
    for values in topology["instances"]:
        host = values.pop("host")
        instance = element.Instance(**values, watcher_exclude=False, metadata={})
        model.add_instance(instance)
        model.map_instance(instance, nodes[host])
    return model


_RESERVED = {"vcpu_reserved": 0, "memory_mb_reserved": 0, "disabled_reason": None}


def load(name: str, cloud: SampleCloud, osc: Any, **parameters: Any) -> Any:
    """Return a strategy that is ready to execute."""
    strategy = DefaultStrategyLoader().load(name, osc=osc)
    strategy._compute_model = model_of(cloud)
    wanted = {**PARAMETERS.get(name, {}), **parameters}
    schema = type(strategy).get_schema()
    if schema:
        StrictDefaultValidatingDraft4Validator(schema).validate(wanted)
    strategy.input_parameters = Struct()
    strategy.input_parameters.update(wanted)
    return strategy


def actions(strategy: Any) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Execute a strategy and return its actions, sorted."""
    proposed = strategy.execute().actions
    return sorted((action["action_type"], sorted(action["input_parameters"].items())) for action in proposed)
