"""The fetcher for Aetos."""

from __future__ import annotations

from oslo_config import cfg

from chrysaetos.cloudkitty.common import aetos_client, options
from chrysaetos.cloudkitty.fetcher.prometheus_base import PrometheusFetcherBase, PrometheusFetcherError

__all__ = ["AetosFetcher", "PrometheusFetcherError"]

CONF = cfg.CONF
options.register_keystone(CONF, options.FETCHER_AETOS)


class AetosFetcher(PrometheusFetcherBase):
    """Finds scopes through Aetos with Keystone credentials, configured in ``[fetcher_aetos]``.

    Raises:
        RequiredOptError: no metric or no credentials are configured.
    """

    name = "aetos"

    def __init__(self) -> None:
        super().__init__()
        group = options.FETCHER_AETOS
        label = CONF[group].scope_attribute
        self._connect(aetos_client.connect(CONF, group, label), group)
