"""The strategy ``aetos_check``: an audit that reads every metric of its scope and proposes no action."""

from __future__ import annotations

import logging
from typing import Any

from watcher.decision_engine.strategy.strategies.base import UnclassifiedStrategy

__all__ = ["AetosCheck"]

_LOG = logging.getLogger(__name__)

_HOST_METRICS = ("host_cpu_usage", "host_ram_usage")
_INSTANCE_METRICS = ("instance_cpu_usage", "instance_ram_usage")


class AetosCheck(UnclassifiedStrategy):  # type: ignore[misc]  # Watcher is not typed
    """Read every metric of every host and instance from the configured datasource.

    *Description*

    Logs for each metric how many of the audit's hosts or instances have data, and which of them have none.
    The action plan is empty. Use it to test a datasource before other audits depend on it.
    """

    DATASOURCE_METRICS = [*_HOST_METRICS, *_INSTANCE_METRICS]  # noqa: RUF012  # Watcher's own declaration

    @classmethod
    def get_name(cls) -> str:
        """Return the name in the API."""
        return "aetos_check"

    @classmethod
    def get_display_name(cls) -> str:
        """Return the display name."""
        return "Metrics check"

    @classmethod
    def get_translatable_display_name(cls) -> str:
        """Return the display name before translation."""
        return "Metrics check"

    @classmethod
    def get_schema(cls) -> dict[str, Any]:
        """Return the schema of the audit's parameters."""
        period = {
            "description": "length of the time range until now, in seconds",
            "type": "number",
            "minimum": 1,
            "default": 600,
        }
        return {"properties": {"period": period}}

    def pre_execute(self) -> None:
        """Check that there is a model of the cloud."""
        self._pre_execute()

    def do_execute(self, audit: Any = None) -> None:  # noqa: ARG002  # Watcher's signature
        """Read all metrics and log which resources have data."""
        hosts = {node.hostname: node for node in self.compute_model.get_all_compute_nodes().values()}
        instances = self.compute_model.get_all_instances()
        for metric in _HOST_METRICS:
            self._read(metric, "compute_node", hosts)
        for metric in _INSTANCE_METRICS:
            self._read(metric, "instance", instances)

    def _read(self, metric: str, resource_type: str, resources: dict[str, Any]) -> None:
        period = self.input_parameters.period
        missing = [
            name
            for name, resource in resources.items()
            if self.datasource_backend.statistic_aggregation(resource, resource_type, metric, period) is None
        ]
        _LOG.info(
            "%s from datasource %s: %d of %d have data%s",
            metric,
            self.datasource_backend.NAME,
            len(resources) - len(missing),
            len(resources),
            f"; without data: {', '.join(sorted(missing))}" if missing else "",
        )

    def post_execute(self) -> None:
        """Propose nothing."""
