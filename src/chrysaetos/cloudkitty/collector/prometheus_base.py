"""Base class of the collectors for Prometheus and for Aetos, without the client."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from cloudkitty import collector
from cloudkitty import utils as ck_utils
from cloudkitty.collector.exceptions import CollectError
from cloudkitty.utils import tz
from oslo_config import cfg
from oslo_log import log
from voluptuous import In, Optional, Required, Schema

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.promql import not_equal
from chrysaetos.cloudkitty.collector.quantities import quantity
from chrysaetos.cloudkitty.collector.shared_results import SharedResults
from chrysaetos.cloudkitty.common import options, queries
from chrysaetos.cloudkitty.common.prometheus_client_base import PrometheusResponseError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from decimal import Decimal

    from chrysaetos.cloudkitty.common.prometheus_client_base import PrometheusClientBase

__all__ = ["PROMETHEUS_EXTRA_SCHEMA", "PrometheusCollectorBase"]

_LOG = log.getLogger(__name__)
CONF = cfg.CONF

PROMETHEUS_EXTRA_SCHEMA = {
    Required("extra_args", default={}): {
        Required("aggregation_method", default="max"): In(
            ["avg", "count", "max", "min", "stddev", "stdvar", "sum"]
        ),
        Optional("query_function"): In(
            ["abs", "ceil", "exp", "floor", "ln", "log2", "log10", "round", "sqrt"]
        ),
        Optional("range_function"): In(["changes", "delta", "deriv", "idelta", "increase", "irate", "rate"]),
        Optional("query_prefix", default=""): str,
        Optional("query_suffix", default=""): str,
    }
}

Labels = dict[str, str]
Items = list[dict[str, Any]]


class _Request(NamedTuple):
    """A metric, by its key in the configuration, and a period."""

    metric: str
    start: datetime
    end: datetime


class PrometheusCollectorBase(collector.BaseCollector):  # type: ignore[misc]  # CloudKitty has no types
    """Collects from a server with Prometheus' API.

    A subclass sets ``collector_name``, and calls ``_connect`` in its ``__init__``.
    """

    collector_name: str | None = None

    _conn: PrometheusClientBase
    _shared: SharedResults | None

    def _connect(self, client: PrometheusClientBase) -> None:
        """Set the client."""
        options.register(CONF, options.COLLECTOR_CHRYSAETOS)
        section = CONF[options.COLLECTOR_CHRYSAETOS]
        self._conn = client
        self._shared = (
            SharedResults(section.bulk_cache_seconds, section.bulk_cache_series) if section.bulk else None
        )

    @staticmethod
    def check_configuration(conf: dict[str, Any]) -> dict[str, Any]:
        """Validate the content of metrics.yml.

        Args:
            conf: the content.

        Returns:
            The settings of each metric by name, including defaults.

        Raises:
            voluptuous.Error: a setting is missing or invalid.
            InvalidConfiguration: a metric is configured twice.
        """
        metrics: dict[str, Any] = collector.BaseCollector.check_configuration(conf)
        schema = Schema(collector.METRIC_BASE_SCHEMA).extend(PROMETHEUS_EXTRA_SCHEMA)
        return {name: schema(metric) for name, metric in metrics.items()}

    @staticmethod
    def build_query(  # noqa: PLR0917  # CloudKitty's signature
        conf: Mapping[str, Any],
        metric_name: str,
        start: datetime,
        end: datetime,
        scope_key: str,
        scope_id: str,
        groupby: list[str],
        metadata: list[str],
        q_filter: Mapping[str, str] | None = None,
    ) -> str:
        """Return the query of a metric, period and scope.

        Raises:
            InvalidArgument: a name or the scope's id is not valid in a query.
        """
        return queries.quantity_query(
            metric_name,
            {**(q_filter or {}), scope_key: scope_id},
            period=tz.diff_seconds(end, start),
            labels=groupby + metadata,
            arguments=conf[metric_name]["extra_args"],
        )

    def retrieve(
        self,
        metric_name: str,
        start: datetime,
        end: datetime,
        project_id: str,
        q_filter: Mapping[str, str] | None = None,
    ) -> tuple[str, list[Any]]:
        """Return the data points of a metric, scope and period.

        CloudKitty stores one result per rated name. So for metrics with the same ``alt_name``, each call
        returns the data points of all of them.

        Returns:
            The name to rate by, and the data points.

        Raises:
            NoDataCollected: there are no data points.
            CollectError: the query failed. CloudKitty collects the period again in the next cycle.
        """
        name = self._rated_name(metric_name)
        same_name = [other for other in self.conf if self._rated_name(other) == name]
        points = [
            point
            for metric in same_name
            for point in self.fetch_all(metric, start, end, project_id, q_filter=q_filter)
        ]
        if not points:
            raise collector.NoDataCollected(self.collector_name, name)
        return name, points

    def _rated_name(self, metric_name: str) -> str:
        name: str = self.conf[metric_name].get("alt_name", metric_name)
        return name

    def fetch_all(
        self,
        metric_name: str,
        start: datetime,
        end: datetime,
        scope_id: str,
        q_filter: Mapping[str, str] | None = None,
    ) -> list[Any]:
        """Return the data points of one metric, period and scope.

        Args:
            metric_name: the metric's key in ``conf``.
            start: the start of the period.
            end: the end of the period.
            scope_id: the scope.
            q_filter: further labels of the series, with their values.

        Raises:
            CollectError: the query failed.
        """
        scope_key: str = CONF.collect.scope_key
        points = []
        for item in self._elements(_Request(metric_name, start, end), scope_id, q_filter):
            metadata, groupby, amount = self._format_data(metric_name, scope_key, scope_id, start, end, item)
            if amount is None:
                _LOG.warning(
                    "Metric %s of scope %s is not rated at %s, because its value is %s (%s, %s).",
                    *(metric_name, scope_id, end, item["value"][1], groupby, metadata),
                )
                continue
            points.append(
                self._create_data_point(self.conf[metric_name], amount, 0, groupby, metadata, start)
            )
        return points

    def _elements(self, request: _Request, scope_id: str, q_filter: Mapping[str, str] | None) -> Items:
        """Return the elements of a scope in Prometheus' result."""
        conf = self.conf[request.metric]
        # An empty scope selects series without the label, which the query for all scopes excludes.
        if (
            self._shared is not None
            and scope_id
            and not q_filter
            and queries.is_shareable(conf["extra_args"])
        ):
            shared = self._shared.get(request, scope_id, lambda: self._by_scope(request))
            if shared is not None:
                return shared
        with _collect_errors():
            query = self.build_query(
                self.conf,
                request.metric,
                request.start,
                request.end,
                CONF.collect.scope_key,
                scope_id,
                conf["groupby"],
                conf["metadata"],
                q_filter,
            )
            return self._query(query, request.end)

    def _by_scope(self, request: _Request) -> dict[str, Items] | None:
        """Return the elements of all scopes by scope; None if the result would be too large."""
        conf, scope_key = self.conf[request.metric], CONF.collect.scope_key
        with _collect_errors():
            query = queries.quantity_query(
                request.metric,
                not_equal(scope_key, ""),
                period=tz.diff_seconds(request.end, request.start),
                labels=conf["groupby"] + conf["metadata"],
                arguments=conf["extra_args"],
            )
            try:
                elements = self._query(query, request.end)
            except TooLargeError as error:
                _LOG.warning("Querying metric %s for each scope separately: %s", request.metric, error)
                return None
            by_scope: dict[str, Items] = {}
            for item in elements:
                by_scope.setdefault(item["metric"][scope_key], []).append(item)
            return by_scope

    def _query(self, query: str, time: datetime) -> Items:
        _LOG.debug("Query: %s", query)
        elements: Items = self._conn.get_instant(query, time.isoformat())["data"]["result"]
        return elements

    def _format_data(  # noqa: PLR0917  # CloudKitty's signature
        self,
        metric_name: str,
        scope_key: str,
        scope_id: str,
        start: datetime,  # noqa: ARG002  # CloudKitty's signature
        end: datetime,  # noqa: ARG002  # CloudKitty's signature
        data: Mapping[str, Any],
    ) -> tuple[Labels, Labels, Decimal | float | None]:
        """Convert an element of the result to CloudKitty's data.

        Returns:
            Metadata, groupby and quantity; the quantity is None if the value is NaN or infinite.

        Raises:
            CollectError: the element belongs to another scope, or is not a number.
        """
        conf, labels = self.conf[metric_name], data["metric"]
        if labels.get(scope_key, scope_id) != scope_id:
            raise CollectError(f"{metric_name}: queried scope {scope_id!r}, got scope {labels[scope_key]!r}")
        if "value" not in data:
            raise CollectError(f"{metric_name}: native histograms are not supported")
        metadata = {label: labels.get(label, "") for label in conf["metadata"]}
        # With a query_prefix such as `sum`, the result does not have the scope's label.
        groupby = {label: labels.get(label, "") for label in conf["groupby"]} | {scope_key: scope_id}
        amount = quantity(data["value"][1], conf["factor"], conf["offset"])
        if amount is not None:
            amount = ck_utils.mutate(amount, conf["mutate"], mutate_map=conf.get("mutate_map"))
        return metadata, groupby, amount


@contextmanager
def _collect_errors() -> Iterator[None]:
    """Convert exceptions to CollectError, after which CloudKitty tries again in the next cycle."""
    try:
        yield
    except (PrometheusResponseError, InvalidArgument) as error:
        raise CollectError(str(error)) from error
    except (KeyError, TypeError) as error:
        raise CollectError(f"invalid response of Prometheus: {error!r}") from error
