"""The collector for Prometheus itself."""

from __future__ import annotations

from typing import Any

import cloudkitty.collector.prometheus  # noqa: F401  # registers its options before ours
from oslo_config import cfg

from chrysaetos.cloudkitty.collector import prometheus_base
from chrysaetos.cloudkitty.common import options, prometheus_client

__all__ = ["PrometheusCollector"]

CONF = cfg.CONF
options.register(CONF, options.COLLECTOR_PROMETHEUS)


class PrometheusCollector(prometheus_base.PrometheusCollectorBase):
    """Collects from Prometheus, configured in ``[collector_prometheus]``.

    Args:
        period: the length of a period in seconds.
        conf: the content of metrics.yml.

    Raises:
        ValueError: an argument is missing.
        voluptuous.Error: metrics.yml is invalid.
    """

    collector_name = "prometheus"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._connect(prometheus_client.connect(CONF, options.COLLECTOR_PROMETHEUS))
