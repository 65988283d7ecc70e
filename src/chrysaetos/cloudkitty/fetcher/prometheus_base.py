"""What the fetchers for Prometheus and for Aetos have in common: everything but whom they ask."""

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

_CYCLE = 1
"""Periods that a cycle may take: from one question for the scopes to the next it is a period, and what the
rating took."""


class PrometheusFetcherError(Exception):
    """It is not known which scopes there are."""


class PrometheusFetcherBase(fetcher.BaseFetcher):  # type: ignore[misc]  # CloudKitty has no types
    """Finds the scopes that have had series lately.

    A period is rated `wait_periods` after its beginning at the earliest, so a scope that has ended has to be
    found that much later still.

    A subclass sets `name`, and calls `_connect` in its `__init__`.
    """

    name: str

    _conn: PrometheusClientBase
    _group: str

    def _connect(self, client: PrometheusClientBase, group: str) -> None:
        """Set whom to ask, and by which section.

        Raises:
            RequiredOptError: the section names no metric.
        """
        if not CONF[group].metric:
            raise cfg.RequiredOptError("metric", cfg.OptGroup(group))
        self._conn = client
        self._group = group

    def get_tenants(self) -> list[str]:
        """The scopes to rate, each once.

        Raises:
            PrometheusFetcherError: they are not known.
        """
        section = CONF[self._group]
        label = section.scope_attribute
        try:
            query = queries.scopes(section.metric, section.filters, label, self._look_back())
            elements = self._conn.get_instant(query)["data"]["result"]
            # Series without the label belong to nobody.
            return list({item["metric"][label]: None for item in elements if label in item["metric"]})
        except (PrometheusResponseError, InvalidArgument) as error:
            raise PrometheusFetcherError(str(error)) from error
        except (KeyError, TypeError) as error:
            raise PrometheusFetcherError(f"no answer of Prometheus: {error!r}") from error

    def _look_back(self) -> int:
        """Seconds."""
        chosen: int | None = CONF[self._group].look_back
        collect = CONF.collect
        return chosen or collect.period * (collect.wait_periods + 1 + _CYCLE)
