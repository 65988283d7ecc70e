"""Base class of the fetchers for Prometheus and for Aetos, without the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudkitty import fetcher
from oslo_config import cfg

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.cloudkitty.common import queries
from chrysaetos.cloudkitty.common.prometheus_client_base import PrometheusResponseError

if TYPE_CHECKING:
    from chrysaetos.cloudkitty.common.prometheus_client_base import PrometheusClientBase

__all__ = ["PrometheusFetcherBase", "PrometheusFetcherError"]

CONF = cfg.CONF
CONF.import_opt("period", "cloudkitty.collector", "collect")
CONF.import_opt("wait_periods", "cloudkitty.collector", "collect")

_CYCLE_PERIODS = 1
"""The time between two fetches of the scopes, in periods: one period plus the duration of the rating."""


class PrometheusFetcherError(Exception):
    """The scopes cannot be read."""


class PrometheusFetcherBase(fetcher.BaseFetcher):  # type: ignore[misc]  # CloudKitty has no types
    """Finds the scopes that had series recently.

    A period is rated ``wait_periods`` after its start at the earliest. Until then, a scope that has ended
    still has to be found.

    A subclass sets ``name``, and calls ``_connect`` in its ``__init__``.
    """

    name: str

    _conn: PrometheusClientBase
    _group: str

    def _connect(self, client: PrometheusClientBase, group: str) -> None:
        """Set the client and the configuration section.

        Raises:
            RequiredOptError: no metric is configured.
        """
        if not CONF[group].metric:
            raise cfg.RequiredOptError("metric", cfg.OptGroup(group))
        self._conn = client
        self._group = group

    def get_tenants(self) -> list[str]:
        """Return the scopes to rate, without duplicates.

        Raises:
            PrometheusFetcherError: the scopes cannot be read.
        """
        section = CONF[self._group]
        label = section.scope_attribute
        try:
            look_back = self._look_back()
            query = queries.scopes_query(section.metric, section.filters, label, look_back)
            # Without a look-back time, the request must equal that of CloudKitty's specification.
            elements = self._conn.get_instant(query, server_timeout=look_back > 0)["data"]["result"]
            # Series without the label belong to no scope.
            return list({item["metric"][label]: None for item in elements if label in item["metric"]})
        except (PrometheusResponseError, InvalidArgument) as error:
            raise PrometheusFetcherError(str(error)) from error
        except (KeyError, TypeError) as error:
            raise PrometheusFetcherError(f"invalid response of Prometheus: {error!r}") from error

    def _look_back(self) -> int:
        """Return the look-back time in seconds."""
        configured: int | None = CONF[self._group].look_back
        if configured is not None:
            return configured
        return int(CONF.collect.period * (CONF.collect.wait_periods + 1 + _CYCLE_PERIODS))
