"""Watcher's datasources ``aetos`` and ``prometheus``: endpoint and credentials."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg
from watcher.common import clients, exception

from chrysaetos.client import MetricsClient
from chrysaetos.watcher.connection import Connection
from chrysaetos.watcher.failures import Endpoint
from chrysaetos.watcher.grouped import GroupedDatasource, series_limit

__all__ = ["AetosDatasource", "PrometheusDatasource"]

CONF = cfg.CONF


class AetosDatasource(GroupedDatasource):
    """Metrics from Aetos, with its endpoint from Keystone's catalog and Watcher's own credentials.

    Args:
        osc: Watcher's OpenStackClients, whose Keystone session is used unchanged.
        timeout: seconds for a request including its retries; ``[aetos_client] timeout`` when None.

    Raises:
        RequestFailed: the targets cannot be read; the message says why.
    """

    NAME = "aetos"

    def __init__(self, osc: Any = None, timeout: float | None = None) -> None:
        self.osc = osc or clients.OpenStackClients()
        self._timeout = timeout
        # Watcher also accepts publicURL, internalURL and adminURL.
        self._endpoint = Endpoint(
            CONF.aetos_client.interface.removesuffix("URL"), CONF.aetos_client.region_name
        )
        super().__init__()

    def _setup_prometheus_client(self) -> Connection:
        client = MetricsClient(
            self.osc.session,
            interface=self._endpoint.interface,
            region_name=self._endpoint.region,
            timeout=self._timeout or CONF.aetos_client.timeout,
            retries=_retries(),
            require_complete=not CONF.aetos_client.allow_partial,
        )
        return Connection(client, self._endpoint, series_limit())

    def _get_fqdn_label(self) -> str:
        return str(CONF.aetos_client.fqdn_label)

    def _get_instance_uuid_label(self) -> str:
        return str(CONF.aetos_client.instance_uuid_label)


class PrometheusDatasource(GroupedDatasource):
    """Metrics from Prometheus itself, configured by Watcher's section ``[prometheus_client]``.

    Raises:
        MissingParameter: no host is configured.
        RequestFailed: the targets cannot be read; the message says why.
    """

    NAME = "prometheus"

    def _setup_prometheus_client(self) -> Connection:
        section = CONF.prometheus_client
        if not section.host:
            raise exception.MissingParameter(message="[prometheus_client] host must be set in watcher.conf")
        host = f"[{section.host}]" if ":" in section.host else section.host
        # Like Watcher itself: https if there is a CA to verify the certificate with.
        url = f"{'https' if section.cafile else 'http'}://{host}:{section.port}"
        has_login = section.username and section.password
        certificate = section.cafile and section.certfile and section.keyfile
        client = MetricsClient.direct(
            url,
            username=section.username if has_login else None,
            password=section.password if has_login else None,
            verify=section.cafile or True,
            cert=(section.certfile, section.keyfile) if certificate else None,
            timeout=CONF.aetos_client.timeout,
            retries=_retries(),
            require_complete=not CONF.aetos_client.allow_partial,
        )
        return Connection(client, self._endpoint, series_limit())

    def _get_fqdn_label(self) -> str:
        return str(CONF.prometheus_client.fqdn_label)

    def _get_instance_uuid_label(self) -> str:
        return str(CONF.prometheus_client.instance_uuid_label)


def _retries() -> int:
    return int(CONF.watcher_datasources.query_max_retries) - 1
