"""Watcher's datasources `aetos` and `prometheus`: where they ask, and with what credentials."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg
from watcher.common import clients, exception

from chrysaetos.client import MetricsClient
from chrysaetos.watcher.connection import Connection
from chrysaetos.watcher.failures import Place
from chrysaetos.watcher.grouped import GroupedDatasource, most_series

__all__ = ["AetosDatasource", "PrometheusDatasource"]

CONF = cfg.CONF


class AetosDatasource(GroupedDatasource):
    """Metrics from Aetos, found in Keystone's catalog and asked with Watcher's own credentials.

    Args:
        osc: Watcher's OpenStackClients; its Keystone session is used as it is.
        timeout: seconds for one request with all its tries; `[aetos_client] timeout` when None.

    Raises:
        RequestFailed: the targets cannot be asked for; the message says why.
    """

    NAME = "aetos"

    def __init__(self, osc: Any = None, timeout: float | None = None) -> None:
        self.osc = osc or clients.OpenStackClients()
        self._timeout = timeout
        # Watcher also takes publicURL and its like.
        self._place = Place(CONF.aetos_client.interface.removesuffix("URL"), CONF.aetos_client.region_name)
        super().__init__()

    def _setup_prometheus_client(self) -> Connection:
        client = MetricsClient(
            self.osc.session,
            interface=self._place.interface,
            region_name=self._place.region,
            timeout=self._timeout or CONF.aetos_client.timeout,
            retries=_retries(),
        )
        return Connection(client, self._place, most_series())

    def _get_fqdn_label(self) -> str:
        return str(CONF.aetos_client.fqdn_label)

    def _get_instance_uuid_label(self) -> str:
        return str(CONF.aetos_client.instance_uuid_label)


class PrometheusDatasource(GroupedDatasource):
    """Metrics from Prometheus itself, by Watcher's section `[prometheus_client]`.

    Raises:
        MissingParameter: there is no host.
        RequestFailed: the targets cannot be asked for; the message says why.
    """

    NAME = "prometheus"

    def _setup_prometheus_client(self) -> Connection:
        section = CONF.prometheus_client
        if not section.host:
            raise exception.MissingParameter(message="[prometheus_client] host must be set in watcher.conf")
        host = f"[{section.host}]" if ":" in section.host else section.host
        # As Watcher has it: https where there is a CA to verify with.
        url = f"{'https' if section.cafile else 'http'}://{host}:{section.port}"
        both = section.username and section.password
        certificate = section.cafile and section.certfile and section.keyfile
        client = MetricsClient.direct(
            url,
            username=section.username if both else None,
            password=section.password if both else None,
            verify=section.cafile or True,
            cert=(section.certfile, section.keyfile) if certificate else None,
            timeout=CONF.aetos_client.timeout,
            retries=_retries(),
        )
        return Connection(client, self._place, most_series())

    def _get_fqdn_label(self) -> str:
        return str(CONF.prometheus_client.fqdn_label)

    def _get_instance_uuid_label(self) -> str:
        return str(CONF.prometheus_client.instance_uuid_label)


def _retries() -> int:
    return int(CONF.watcher_datasources.query_max_retries) - 1
