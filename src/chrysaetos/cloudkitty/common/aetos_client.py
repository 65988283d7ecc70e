"""The client of Aetos: Prometheus behind Keystone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import loading
from oslo_config import cfg

from chrysaetos.client import MetricsClient
from chrysaetos.cloudkitty.common.guard import Guard
from chrysaetos.cloudkitty.common.options import DEFAULT_TIMEOUT
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    RETRIES,
    PrometheusClientBase,
    PrometheusResponseError,
)
from chrysaetos.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keystoneauth1.session import Session

__all__ = ["AetosClient", "connect"]


class AetosClient(PrometheusClientBase):
    """Sends queries through Aetos with the tokens of a session, and rejects incomplete results.

    No request is sent before the first query, so CloudKitty can start while Keystone is down.

    Args:
        session: a session whose credentials may see all projects.
        adapter_options: ``interface``, ``region_name``, ``service_type``.
        timeout: seconds for a query; None or 0 for no limit.
        label: the label of the scope, which helps to detect credentials without access to all projects.
        allow_partial: whether to return results in which data are missing.
    """

    def __init__(
        self,
        session: Session,
        adapter_options: Mapping[str, Any],
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        label: str = "project_id",
        allow_partial: bool = False,
    ) -> None:
        self._client = MetricsClient(
            session,
            **adapter_options,
            timeout=timeout or None,
            retries=RETRIES,
            require_complete=not allow_partial,
        )
        self._label = label

    def get_instant(self, query: str, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Send an instant query; see ``PrometheusClientBase``."""
        try:
            guard = Guard(query, self._label)
        except (QueryError, ValueError) as error:
            raise PrometheusResponseError(str(error)) from error
        response = super().get_instant(guard.query, *arguments, **named)
        response["data"]["result"] = guard.check(response["data"]["result"])
        return response


def connect(conf: cfg.ConfigOpts, group: str, label: str) -> AetosClient:
    """Return the client for a configuration section.

    Args:
        conf: the configuration.
        group: the section.
        label: the label of the scope.

    Raises:
        RequiredOptError: no credentials are configured.
    """
    auth = loading.load_auth_from_conf_options(conf, group)
    if auth is None:
        raise cfg.RequiredOptError("auth_type", cfg.OptGroup(group))
    section = conf[group]
    return AetosClient(
        loading.load_session_from_conf_options(conf, group, auth=auth),
        {"interface": section.interface, "region_name": section.region_name},
        timeout=DEFAULT_TIMEOUT if section.timeout is None else section.timeout,
        label=label,
        allow_partial=section.allow_partial,
    )
