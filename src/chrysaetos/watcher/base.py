"""The base class of Watcher's Prometheus datasources, or a substitute for release 14, which has none."""

from __future__ import annotations

from typing import Any

from watcher.decision_engine.datasources.base import DataSourceBase

__all__ = ["DataSourceBase", "PrometheusBase"]


class _PrometheusBase14(DataSourceBase):  # type: ignore[misc]  # Watcher is not typed
    """The attributes of Watcher's base class that the datasources use, set in the same order."""

    METRIC_MAP = {  # noqa: RUF012  # Watcher's own declaration
        **DataSourceBase.METRIC_MAP,
        "host_cpu_usage": "node_cpu_seconds_total",
        "host_ram_usage": "node_memory_MemAvailable_bytes",
        "instance_cpu_usage": "ceilometer_cpu",
        "instance_ram_usage": "ceilometer_memory_usage",
        "instance_ram_allocated": "instance.memory",
        "instance_root_disk_size": "instance.disk",
    }

    def __init__(self) -> None:
        super().__init__()
        self.prometheus = self._setup_prometheus_client()
        self.prometheus_fqdn_label = self._get_fqdn_label()
        self.prometheus_fqdn_labels = self._build_prometheus_fqdn_labels()
        self.prometheus_host_instance_map = self._build_prometheus_host_instance_map()


try:
    from watcher.decision_engine.datasources import prometheus_base
except ImportError:
    PrometheusBase: Any = _PrometheusBase14
else:
    PrometheusBase = prometheus_base.PrometheusBase
