"""What the collectors for Prometheus and for Aetos have in common: everything but whom they ask."""

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
from chrysaetos.cloudkitty.collector.shared_answers import SharedAnswers
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


class _Wanted(NamedTuple):
    """What is asked for: a metric's key in the configuration, and a period."""

    metric: str
    start: datetime
    end: datetime


class PrometheusCollectorBase(collector.BaseCollector):  # type: ignore[misc]  # CloudKitty has no types
    """Collects from what speaks Prometheus' API.

    A subclass sets `collector_name`, and calls `_connect` in its `__init__`.
    """

    collector_name: str | None = None

    _conn: PrometheusClientBase
    _shared: SharedAnswers | None

    def _connect(self, client: PrometheusClientBase) -> None:
        """Set whom to ask."""
        options.register(CONF, options.COLLECTOR_CHRYSAETOS)
        section = CONF[options.COLLECTOR_CHRYSAETOS]
        self._conn = client
        self._shared = (
            SharedAnswers(section.bulk_cache_seconds, section.bulk_cache_series) if section.bulk else None
        )

    @staticmethod
    def check_configuration(conf: dict[str, Any]) -> dict[str, Any]:
        """Validate the content of metrics.yml.

        Args:
            conf: that content.

        Returns:
            Name of the metric → its settings, completed with their defaults.

        Raises:
            voluptuous.Error: a setting is missing or wrong.
            InvalidConfiguration: a metric is there twice.
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
        """The query for one metric, period and scope.

        Raises:
            InvalidArgument: a name or the scope's id cannot be a part of any query.
        """
        return queries.measured(
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
        """What a scope has used of a metric in a period.

        CloudKitty keeps one answer for each name that it rates by. So metrics that share an `alt_name` answer
        alike, with the data points of all of them.

        Returns:
            The name to rate by, and the data points.

        Raises:
            NoDataCollected: there are none.
            CollectError: it is not known. The period is collected again in the next cycle.
        """
        name = self._rated_as(metric_name)
        together = [other for other in self.conf if self._rated_as(other) == name]
        points = [
            point
            for metric in together
            for point in self.fetch_all(metric, start, end, project_id, q_filter=q_filter)
        ]
        if not points:
            raise collector.NoDataCollected(self.collector_name, name)
        return name, points

    def _rated_as(self, metric_name: str) -> str:
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
        """The data points of one metric, period and scope.

        Args:
            metric_name: its key in `conf`.
            start: when the period begins.
            end: when it ends.
            scope_id: the scope.
            q_filter: label → value, which the series must have as well.

        Raises:
            CollectError: they are not known.
        """
        scope_key: str = CONF.collect.scope_key
        points = []
        for item in self._elements(_Wanted(metric_name, start, end), scope_id, q_filter):
            metadata, groupby, amount = self._format_data(metric_name, scope_key, scope_id, start, end, item)
            if amount is None:
                _LOG.warning(
                    "Metric %s of scope %s has no quantity at %s: its value is %s (%s, %s). It is not rated.",
                    *(metric_name, scope_id, end, item["value"][1], groupby, metadata),
                )
                continue
            points.append(
                self._create_data_point(self.conf[metric_name], amount, 0, groupby, metadata, start)
            )
        return points

    def _elements(self, wanted: _Wanted, scope_id: str, q_filter: Mapping[str, str] | None) -> Items:
        """The elements of Prometheus' answer that are a scope's."""
        conf = self.conf[wanted.metric]
        # An empty scope means series without the label, which the query for all scopes leaves out.
        if self._shared is not None and scope_id and not q_filter and queries.shareable(conf["extra_args"]):
            own = self._shared.share(wanted, scope_id, lambda: self._by_scope(wanted))
            if own is not None:
                return own
        with _collecting():
            query = self.build_query(
                self.conf,
                wanted.metric,
                wanted.start,
                wanted.end,
                CONF.collect.scope_key,
                scope_id,
                conf["groupby"],
                conf["metadata"],
                q_filter,
            )
            return self._ask(query, wanted.end)

    def _by_scope(self, wanted: _Wanted) -> dict[str, Items] | None:
        """The elements of all scopes by scope; None if that is too much for one answer."""
        conf, scope_key = self.conf[wanted.metric], CONF.collect.scope_key
        with _collecting():
            query = queries.measured(
                wanted.metric,
                not_equal(scope_key, ""),
                period=tz.diff_seconds(wanted.end, wanted.start),
                labels=conf["groupby"] + conf["metadata"],
                arguments=conf["extra_args"],
            )
            try:
                elements = self._ask(query, wanted.end)
            except TooLargeError as error:
                _LOG.warning("Metric %s is asked for scope by scope: %s", wanted.metric, error)
                return None
            by_scope: dict[str, Items] = {}
            for item in elements:
                by_scope.setdefault(item["metric"][scope_key], []).append(item)
            return by_scope

    def _ask(self, query: str, time: datetime) -> Items:
        _LOG.debug("Asking Prometheus for %s", query)
        answer = self._conn.get_instant(query, time.isoformat())
        if answer["status"] == "error":
            raise PrometheusResponseError(f"{answer['errorType']}: {answer['error']}")
        elements: Items = answer["data"]["result"]
        return elements

    def _format_data(  # noqa: PLR0917  # CloudKitty's signature
        self,
        metric_name: str,
        scope_key: str,
        scope_id: str,
        start: datetime,  # noqa: ARG002  # a part of what CloudKitty's collectors have in common
        end: datetime,  # noqa: ARG002
        data: Mapping[str, Any],
    ) -> tuple[Labels, Labels, Decimal | float | None]:
        """An element of an answer in CloudKitty's terms.

        Returns:
            Metadata, groupby and quantity; None where the value is NaN or infinite.

        Raises:
            CollectError: it is another scope's, or no number.
        """
        conf, labels = self.conf[metric_name], data["metric"]
        if labels.get(scope_key, scope_id) != scope_id:
            raise CollectError(f"{metric_name}: asked for scope {scope_id!r}, got {labels[scope_key]!r}")
        if "value" not in data:
            raise CollectError(f"{metric_name}: a native histogram is no quantity")
        metadata = {label: labels.get(label, "") for label in conf["metadata"]}
        # A query_prefix such as `sum` leaves no label of the scope.
        groupby = {label: labels.get(label, "") for label in conf["groupby"]} | {scope_key: scope_id}
        amount = quantity(data["value"][1], conf["factor"], conf["offset"])
        if amount is not None:
            amount = ck_utils.mutate(amount, conf["mutate"], mutate_map=conf.get("mutate_map"))
        return metadata, groupby, amount


@contextmanager
def _collecting() -> Iterator[None]:
    """What goes wrong becomes the collector's error, which makes CloudKitty try again in the next cycle."""
    try:
        yield
    except (PrometheusResponseError, InvalidArgument) as error:
        raise CollectError(str(error)) from error
    except (KeyError, TypeError) as error:
        raise CollectError(f"no answer of Prometheus: {error!r}") from error
