"""The client of Prometheus itself."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chrysaetos.client import MetricsClient
from chrysaetos.cloudkitty.common.options import DEFAULT_TIMEOUT
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    RETRIES,
    PrometheusClientBase,
    PrometheusResponseError,
    convert_errors,
)

if TYPE_CHECKING:
    from oslo_config import cfg

__all__ = ["PrometheusClient", "connect"]


class PrometheusClient(PrometheusClientBase):
    """Sends queries to Prometheus without Keystone, over persistent connections.

    Args:
        url: the URL of the HTTP API, with or without ``/api/v1``.
        auth: user and password for basic authentication.
        verify: whether to verify certificates, or the file with the CA certificates to trust.
        timeout: seconds for a query; None or 0 for no limit.
        allow_partial: whether to return results in which data are missing.
    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002  # CloudKitty's signature
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        allow_partial: bool = False,
    ) -> None:
        self.url = url
        self.auth = auth
        self.verify = verify
        self.timeout = timeout or None
        self._allow_partial = allow_partial

    @cached_property
    def _client(self) -> MetricsClient:  # type: ignore[override]  # created by the first query
        if not self.url:
            raise PrometheusResponseError("prometheus_url is not set")
        user, password = self.auth or (None, None)
        with convert_errors():
            return MetricsClient.direct(
                self.url.rstrip("/").removesuffix("/api/v1"),
                username=user,
                password=password,
                verify=self.verify,
                timeout=self.timeout,
                retries=RETRIES,
                require_complete=not self._allow_partial,
            )


def connect(conf: cfg.ConfigOpts, group: str) -> PrometheusClient:
    """Return the client for a configuration section.

    Args:
        conf: the configuration.
        group: the section.
    """
    section = conf[group]
    user, password = section.prometheus_user, section.prometheus_password
    return PrometheusClient(
        section.prometheus_url,
        auth=(user, password) if user and password else None,
        verify=section.cafile or not section.insecure,
        timeout=section.timeout,
        allow_partial=section.allow_partial,
    )
