"""The collector for Aetos."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from chrysaetos.cloudkitty.collector import prometheus_base
from chrysaetos.cloudkitty.common import aetos_client, options

__all__ = ["AetosCollector"]

CONF = cfg.CONF
options.register_keystone(CONF, options.COLLECTOR_AETOS)


class AetosCollector(prometheus_base.PrometheusCollectorBase):
    """Collects through Aetos with Keystone credentials, configured in ``[collector_aetos]``.

    Args:
        period: the length of a period in seconds.
        conf: the content of metrics.yml, the same as for Prometheus.

    Raises:
        ValueError: an argument is missing.
        voluptuous.Error: metrics.yml is invalid.
        RequiredOptError: no credentials are configured.
    """

    collector_name = "aetos"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        label = CONF.collect.scope_key
        self._connect(aetos_client.connect(CONF, options.COLLECTOR_AETOS, label))
