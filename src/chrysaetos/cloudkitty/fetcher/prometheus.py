"""The fetcher that asks Prometheus itself."""

from __future__ import annotations

import cloudkitty.fetcher.prometheus  # noqa: F401  # it registers its options; ours come second
from oslo_config import cfg

from chrysaetos.cloudkitty.common import options, prometheus_client
from chrysaetos.cloudkitty.fetcher.prometheus_base import PrometheusFetcherBase, PrometheusFetcherError

__all__ = ["PrometheusFetcher", "PrometheusFetcherError"]

CONF = cfg.CONF
options.register(CONF, options.FETCHER_PROMETHEUS)


class PrometheusFetcher(PrometheusFetcherBase):
    """Finds scopes in Prometheus: `[fetcher_prometheus]`.

    Raises:
        RequiredOptError: the section names no metric.
    """

    name = "prometheus"

    def __init__(self) -> None:
        super().__init__()
        group = options.FETCHER_PROMETHEUS
        self._connect(prometheus_client.connect(CONF, group), group)
