"""What the datasources `aetos` and `prometheus` have in common: Watcher's interface, by grouped queries.

Differences to Watcher's own classes, all on purpose:

- A query is about all hosts or all instances. One datasource is made for each strategy run, and asks each
  reading once.
- `statistic_aggregation` means what it says: "max" of host_cpu_usage is the highest usage over time, whoever
  asks.
- No value is None, a value of 0 is 0. A failed query is an error that ends the audit: without it a strategy
  would go on with a cloud that seems to have no data.
- Names are resolved to one host or to none.
"""

from __future__ import annotations

import logging
import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from oslo_config import cfg
from watcher.common import exception

from chrysaetos.client.errors import MetricsError
from chrysaetos.client.promql import one_of
from chrysaetos.watcher.base import DataSourceBase, PrometheusBase
from chrysaetos.watcher.bulk import Bulk
from chrysaetos.watcher.connection import PrometheusAPIClientError
from chrysaetos.watcher.failures import Place
from chrysaetos.watcher.hosts import ambiguous_names, label_values, short_names
from chrysaetos.watcher.parts import HostPart, InstancePart
from chrysaetos.watcher.queries import AGGREGATES, Reading, expression, instance_cpu_percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["GroupedDatasource", "most_series"]

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

_HOST, _INSTANCE = "compute_node", "instance"

_FROM_MODEL = {"instance.memory": "memory", "instance.disk": "disk"}
"""Meters that are no metrics: they stand for an attribute of the instance in Watcher's model."""

_SERIES_SPAN = timedelta(hours=1)


def _getter(resource_type: str, metric: str) -> Callable[..., float | None]:
    """One of Watcher's methods for one metric."""

    def get(
        self: GroupedDatasource,
        resource: Any,
        period: float = 300,
        aggregate: str = "mean",
        granularity: float | None = None,
    ) -> float | None:
        value = self.statistic_aggregation(
            resource, resource_type, metric, period=period, granularity=granularity, aggregate=aggregate
        )
        return None if value is None else float(value)

    get.__doc__ = f"{metric} of a resource, None without data; see `queries` for the unit."
    return get


class GroupedDatasource(PrometheusBase):  # type: ignore[misc]  # Watcher is not typed
    """A datasource that asks about all hosts or instances at once; its children say where."""

    METRIC_MAP: dict[str, str | None]
    prometheus: Any
    prometheus_fqdn_label: str
    prometheus_fqdn_labels: set[str]
    prometheus_host_instance_map: dict[str, str]

    _place = Place()

    def __init__(self) -> None:
        # Watcher writes the operator's metric map into this attribute, which all classes would share.
        self.METRIC_MAP = dict(type(self).METRIC_MAP)
        self._failures: dict[Reading, str] = {}
        self._unknown: set[str] = set()
        self._bulk = self._empty_bulk()
        super().__init__()

    def _empty_bulk(self) -> Bulk:
        return Bulk(self._query, limit=most_series())

    def _query(self, query: str) -> Any:
        # Looked up at each query: the base class makes it after the bulk.
        return self.prometheus.query(query)

    # Hosts

    def _build_prometheus_fqdn_labels(self) -> set[str]:
        targets = self.prometheus._get("targets?state=active")["data"]["activeTargets"]  # noqa: SLF001  # see Connection
        names = label_values(targets, self.prometheus_fqdn_label)
        if not names:
            LOG.error("Datasource %s: %s", self.NAME, self._place.no_hosts(self.prometheus_fqdn_label))
        return names

    def _build_prometheus_host_instance_map(self) -> dict[str, str]:
        return short_names(self.prometheus_fqdn_labels)

    def _resolve_prometheus_instance_label(self, node_name: str) -> str | None:
        """The label value of a host by its name, full or short; None when there is none, or more than one.

        Hosts may be new: for the first one that is not known, the targets are asked for once more.
        """
        found = self._known(node_name)
        if found is None and not self._unknown:
            before = self.prometheus_fqdn_labels
            self.prometheus_fqdn_labels = self._build_prometheus_fqdn_labels()
            self.prometheus_host_instance_map = self._build_prometheus_host_instance_map()
            if self.prometheus_fqdn_labels != before:
                self._bulk = self._empty_bulk()
            found = self._known(node_name)
        if found is None and node_name not in self._unknown:
            self._unknown.add(node_name)
            several = ambiguous_names(self.prometheus_fqdn_labels).get(node_name, [])
            LOG.warning(
                "Datasource %s: no metrics of host %s: %s",
                self.NAME,
                node_name,
                f"{' and '.join(several)} have this short name"
                if several
                else f"no active target of Prometheus has it as its label {self.prometheus_fqdn_label}",
            )
        return found

    def _known(self, name: str) -> str | None:
        return name if name in self.prometheus_fqdn_labels else self.prometheus_host_instance_map.get(name)

    # Values

    def _statistic_aggregation(  # noqa: PLR0917  # Watcher's signature
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str = "",
        period: float = 300,
        aggregate: str = "mean",
        granularity: float | None = 300,
    ) -> float | None:
        """A metric of a resource, None without data.

        Args:
            resource: a ComputeNode or an Instance of Watcher's model.
            resource_type: `compute_node` or `instance`.
            meter_name: Watcher's name of the metric.
            period: seconds back from now.
            aggregate: mean, min, max or count.
            granularity: seconds of each mean that a maximum or minimum of CPU usage is taken of.

        Raises:
            MetricNotAvailable: the metric map has no such metric.
            InvalidParameter: the aggregate or the period cannot be asked for.
            DataSourceNotAvailable: the query failed; it is not repeated in this strategy run.
        """
        meter = self._get_meter(meter_name)
        if resource_type == _INSTANCE and meter in _FROM_MODEL:
            return float(getattr(resource, _FROM_MODEL[meter]))
        if resource_type not in {_HOST, _INSTANCE}:
            LOG.warning("Datasource %s has no metrics of resource type %s", self.NAME, resource_type)
            return None
        if aggregate not in AGGREGATES:
            self._refuse(f"the aggregate must be one of {', '.join(AGGREGATES)}, not {aggregate!r}")
        if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < math.inf:
            self._refuse(f"the period must be a number of seconds above 0, not {period!r}")
        name = self._name_of(resource, resource_type)
        if name is None:
            return None
        reading = Reading.of(meter_name, meter, aggregate, period, granularity)
        value = self._values(reading, resource_type).get(name)
        return None if value is None else _in_units(value, reading, resource)

    if not hasattr(DataSourceBase, "_statistic_aggregation"):
        # To release 16, this is what strategies call; from 17, a method of the base class that caches.
        statistic_aggregation = _statistic_aggregation

    def _name_of(self, resource: Any, resource_type: str) -> str | None:
        """The value of the label that stands for a resource."""
        if resource_type == _INSTANCE:
            return str(resource.uuid)
        return self._resolve_prometheus_instance_label(resource.hostname)

    def _label(self, resource_type: str) -> str:
        if resource_type == _INSTANCE:
            return str(self._get_instance_uuid_label())
        return str(self.prometheus_fqdn_label)

    def _values(self, reading: Reading, resource_type: str) -> Mapping[str, float]:
        if reading in self._failures:
            self._fail(self._failures[reading])
        hosts = resource_type == _HOST
        whole = HostPart(tuple(sorted(self.prometheus_fqdn_labels))) if hosts else InstancePart()
        before, started = self._bulk.queries, time.monotonic()
        try:
            values = self._bulk.values(reading, self._label(resource_type), whole)
        except MetricsError as error:
            self._failures[reading] = f"{reading.metric}: {self._place.line(error)}"
            LOG.error("Datasource %s: %s", self.NAME, self._failures[reading])  # noqa: TRY400  # one line, no traceback
            self._fail(self._failures[reading])
        if self._bulk.queries > before:
            LOG.info(
                "Datasource %s: %s, %s over %g s: %d %ss by %d queries in %.2f s",
                self.NAME,
                reading.metric,
                reading.aggregate,
                reading.period,
                len(values),
                "host" if hosts else "instance",
                self._bulk.queries - before,
                time.monotonic() - started,
            )
        return values

    def _fail(self, line: str) -> None:
        raise exception.DataSourceNotAvailable(message=f"Datasource {self.NAME}: {line}")

    def _refuse(self, line: str) -> None:
        raise exception.InvalidParameter(message=f"Datasource {self.NAME}: {line}")

    def statistic_series(  # noqa: PLR0917  # Watcher's signature
        self,
        resource: Any = None,
        resource_type: str | None = None,
        meter_name: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        granularity: float = 300,
    ) -> dict[datetime, float]:
        """A metric of a resource over time.

        Args:
            resource: a ComputeNode or an Instance of Watcher's model.
            resource_type: `compute_node` or `instance`.
            meter_name: Watcher's name of the metric.
            start_time: from when, in UTC unless it says; an hour before the end when None.
            end_time: until when; now when None.
            granularity: seconds between two points. Each is the mean since the one before.

        Returns:
            Time in UTC → value. Times without data are left out.

        Raises:
            MetricNotAvailable: the metric map has no such metric.
            InvalidParameter: a time, or the granularity, cannot be asked for.
            DataSourceNotAvailable: the query failed.
        """
        meter = self._get_meter(meter_name)
        end = _aware(end_time or datetime.now(UTC))
        start = _aware(start_time) if start_time else end - _SERIES_SPAN
        if not granularity > 0 or start > end:
            self._refuse(f"no series from {start} to {end} by {granularity!r} s")
        if resource_type == _INSTANCE and meter in _FROM_MODEL:
            return {end: float(getattr(resource, _FROM_MODEL[meter]))}
        if resource_type not in {_HOST, _INSTANCE}:
            LOG.warning("Datasource %s has no metrics of resource type %s", self.NAME, resource_type)
            return {}
        name = self._name_of(resource, resource_type)
        if name is None:
            return {}
        reading = Reading.of(meter_name, meter, "mean", granularity, None)
        label = self._label(resource_type)
        query = expression(reading, label, one_of(label, [name]))
        try:
            matrix = self.prometheus.query_range(query, start, end, granularity)
        except MetricsError as error:
            self._fail(f"{meter_name}: {self._place.line(error)}")
        return {
            datetime.fromtimestamp(moment, UTC): _in_units(value, reading, resource)
            for series in matrix
            for moment, value in series.points
            if math.isfinite(value)
        }

    get_host_cpu_usage = _getter(_HOST, "host_cpu_usage")
    get_host_ram_usage = _getter(_HOST, "host_ram_usage")
    get_host_outlet_temp = _getter(_HOST, "host_outlet_temp")
    get_host_inlet_temp = _getter(_HOST, "host_inlet_temp")
    get_host_airflow = _getter(_HOST, "host_airflow")
    get_host_power = _getter(_HOST, "host_power")
    get_instance_cpu_usage = _getter(_INSTANCE, "instance_cpu_usage")
    get_instance_ram_usage = _getter(_INSTANCE, "instance_ram_usage")
    get_instance_ram_allocated = _getter(_INSTANCE, "instance_ram_allocated")
    get_instance_l3_cache_usage = _getter(_INSTANCE, "instance_l3_cache_usage")
    get_instance_root_disk_size = _getter(_INSTANCE, "instance_root_disk_size")

    # What `openstack optimize strategy state` shows

    def check_availability(self) -> str:
        """`available`, or `not available` with the reason in the log."""
        try:
            self.prometheus._get("status/runtimeinfo")  # noqa: SLF001  # see Connection
        except PrometheusAPIClientError as error:
            LOG.warning("Datasource %s is not available: %s", self.NAME, _text(error))
            return "not available"
        return "available"

    def list_metrics(self) -> set[str]:
        """The names of all metrics in Prometheus; empty when they cannot be had: the log says why."""
        try:
            return set(self.prometheus._get("label/__name__/values")["data"])  # noqa: SLF001  # see Connection
        except PrometheusAPIClientError as error:
            LOG.warning("Datasource %s: metrics cannot be listed: %s", self.NAME, _text(error))
            return set()


def most_series() -> int:
    """The length of an answer that is too long: one more than may be."""
    return int(CONF.aetos_client.max_series) + 1


def _in_units(value: float, reading: Reading, resource: Any) -> float:
    """A value in Watcher's unit; only CPU usage of instances depends on the resource."""
    if reading.metric != "instance_cpu_usage" or reading.aggregate == "count":
        return value
    if not resource.vcpus:
        LOG.warning("Instance %s has no vCPUs in the model; 1 is assumed", resource.uuid)
    return instance_cpu_percent(value, resource.vcpus or 1)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(error: PrometheusAPIClientError) -> str:
    """The error in words; observabilityclient's own need an answer of the server to have any."""
    return str(getattr(error, "line", type(error).__name__))
