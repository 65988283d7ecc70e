"""The fetcher for Prometheus itself."""

from __future__ import annotations

import cloudkitty.fetcher.prometheus  # noqa: F401  # registers its options before ours
from oslo_config import cfg

from chrysaetos.cloudkitty.common import options, prometheus_client
from chrysaetos.cloudkitty.fetcher.prometheus_base import PrometheusFetcherBase, PrometheusFetcherError

__all__ = ["PrometheusFetcher", "PrometheusFetcherError"]

CONF = cfg.CONF
options.register(CONF, options.FETCHER_PROMETHEUS)


class PrometheusFetcher(PrometheusFetcherBase):
    """Finds scopes in Prometheus, configured in ``[fetcher_prometheus]``.

    Raises:
        RequiredOptError: no metric is configured.
    """

    name = "prometheus"

    def __init__(self) -> None:
        super().__init__()
        group = options.FETCHER_PROMETHEUS
        self._connect(prometheus_client.connect(CONF, group), group)
