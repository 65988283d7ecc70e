"""The client of Aetos: Prometheus behind Keystone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1 import loading
from oslo_config import cfg

from chrysaetos.client import MetricsClient
from chrysaetos.cloudkitty.common import asking
from chrysaetos.cloudkitty.common.guard import Guard
from chrysaetos.cloudkitty.common.options import DEFAULT_TIMEOUT
from chrysaetos.cloudkitty.common.prometheus_client_base import PrometheusClientBase, PrometheusResponseError
from chrysaetos.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keystoneauth1.session import Session

__all__ = ["AetosClient", "connect"]

SERVICE_TYPE = "metric-storage"


class AetosClient(PrometheusClientBase):
    """Asks through Aetos with the tokens of a session, and takes complete answers only.

    Nothing is sent before the first query, so that a Keystone that is down does not stop the start.

    Args:
        session: with credentials that may see all projects.
        adapter_options: `interface`, `region_name`, `service_type`.
        timeout: seconds for one query; None or 0 for no bound.
        label: the label that holds the scope; it helps to notice that credentials see a part only.
    """

    def __init__(
        self,
        session: Session,
        adapter_options: Mapping[str, Any],
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        label: str = "project_id",
    ) -> None:
        self._client = MetricsClient(
            session, **adapter_options, timeout=timeout or None, retries=asking.RETRIES
        )
        self._label = label

    def _get(self, endpoint: str, params: dict[str, Any]) -> dict[str, Any]:
        return asking.ask(self._client, endpoint, params)

    def get_instant(self, query: str, time: str | None = None, timeout: str | None = None) -> dict[str, Any]:
        """Send an instant query; see `PrometheusClientBase`.

        Raises:
            NotPrivilegedError: the credentials see a part of the projects only.
        """
        try:
            guard = Guard(query, self._label)
        except (QueryError, ValueError) as error:
            raise PrometheusResponseError(str(error)) from error
        params = {"query": guard.query, "time": time, "timeout": timeout}
        answer = self._get(self.INSTANT_QUERY_ENDPOINT, params)
        answer["data"]["result"] = guard.open(asking.vector(answer, query))
        return answer


def connect(conf: cfg.ConfigOpts, group: str, label: str) -> AetosClient:
    """The client that a section describes.

    Args:
        conf: the configuration.
        group: its section.
        label: the label that holds the scope.

    Raises:
        RequiredOptError: the section has no credentials.
    """
    auth = loading.load_auth_from_conf_options(conf, group)
    if auth is None:
        raise cfg.RequiredOptError("auth_type", cfg.OptGroup(group))
    section = conf[group]
    return AetosClient(
        loading.load_session_from_conf_options(conf, group, auth=auth),
        {
            "interface": section.interface,
            "region_name": section.region_name,
            "service_type": SERVICE_TYPE,
        },
        timeout=DEFAULT_TIMEOUT if section.timeout is None else section.timeout,
        label=label,
    )
