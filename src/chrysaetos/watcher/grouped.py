"""Base class of the datasources ``aetos`` and ``prometheus``: Watcher's interface with grouped queries.

Intended differences from Watcher's own classes:

- A query returns all hosts or all instances. Each strategy run creates its own datasource, which sends each
  query once.
- ``statistic_aggregation`` returns the requested aggregate: "max" of host_cpu_usage is the highest usage over
  time for every caller.
- Missing data is None; a value of 0 is 0. A failed query is an exception that ends the audit. Otherwise a
  strategy would continue with a cloud that seems to have no data.
- A host name is resolved to exactly one host, or to none.
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
from chrysaetos.numeric import is_number
from chrysaetos.watcher.base import DataSourceBase, PrometheusBase
from chrysaetos.watcher.bulk import BulkReader
from chrysaetos.watcher.connection import PrometheusAPIClientError
from chrysaetos.watcher.failures import Endpoint
from chrysaetos.watcher.hosts import ambiguous_names, label_values, short_names
from chrysaetos.watcher.parts import HostPart, InstancePart
from chrysaetos.watcher.queries import AGGREGATES, Reading, expression, instance_cpu_percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["GroupedDatasource", "series_limit"]

CONF = cfg.CONF
_LOG = logging.getLogger(__name__)

_HOST, _INSTANCE = "compute_node", "instance"

_FROM_MODEL = {"instance.memory": "memory", "instance.disk": "disk"}
"""Meters that are not metrics but attributes of the instance in Watcher's model."""

_DEFAULT_RANGE = timedelta(hours=1)


def _getter(resource_type: str, metric: str) -> Callable[..., float | None]:
    """Return the method of Watcher's interface for a metric."""

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

    get.__doc__ = f"Return {metric} of a resource, None without data; see ``queries`` for the unit."
    return get


class GroupedDatasource(PrometheusBase):  # type: ignore[misc]  # Watcher is not typed
    """A datasource that reads all hosts or instances at once. Subclasses provide endpoint and credentials."""

    METRIC_MAP: dict[str, str | None]
    prometheus: Any
    prometheus_fqdn_label: str
    prometheus_fqdn_labels: set[str]
    prometheus_host_instance_map: dict[str, str]

    _endpoint = Endpoint()

    def __init__(self) -> None:
        # Watcher updates this attribute with the operator's metric map; without a copy, all classes share it.
        self.METRIC_MAP = dict(type(self).METRIC_MAP)
        self._failures: dict[Reading, str] = {}
        self._unknown: set[str] = set()
        self._bulk = self._new_bulk()
        super().__init__()

    def _new_bulk(self) -> BulkReader:
        return BulkReader(self._query, limit=series_limit())

    def _query(self, query: str) -> Any:
        # The base class sets `prometheus` later than `_bulk` is created.
        return self.prometheus.query(query)

    # Hosts

    def _build_prometheus_fqdn_labels(self) -> set[str]:
        targets = self.prometheus._get("targets?state=active")["data"]["activeTargets"]  # noqa: SLF001  # see Connection
        names = label_values(targets, self.prometheus_fqdn_label)
        if not names:
            _LOG.error(
                "Datasource %s: %s", self.NAME, self._endpoint.no_hosts_message(self.prometheus_fqdn_label)
            )
        return names

    def _build_prometheus_host_instance_map(self) -> dict[str, str]:
        return short_names(self.prometheus_fqdn_labels)

    def _resolve_prometheus_instance_label(self, node_name: str) -> str | None:
        """Return the label value of a host by its full or short name; None unless there is exactly one.

        Hosts may be new: for the first unknown host, the targets are read again.
        """
        found = self._known(node_name)
        if found is None and not self._unknown:
            before = self.prometheus_fqdn_labels
            self.prometheus_fqdn_labels = self._build_prometheus_fqdn_labels()
            self.prometheus_host_instance_map = self._build_prometheus_host_instance_map()
            if self.prometheus_fqdn_labels != before:
                self._bulk = self._new_bulk()
            found = self._known(node_name)
        if found is None and node_name not in self._unknown:
            self._unknown.add(node_name)
            several = ambiguous_names(self.prometheus_fqdn_labels).get(node_name, [])
            _LOG.warning(
                "Datasource %s: no metrics for host %s: %s",
                self.NAME,
                node_name,
                f"{' and '.join(several)} have this short name"
                if several
                else f"no active target of Prometheus has it as label {self.prometheus_fqdn_label}",
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
        """Return a metric of a resource, None without data.

        Args:
            resource: a ComputeNode or an Instance of Watcher's model.
            resource_type: ``compute_node`` or ``instance``.
            meter_name: Watcher's name of the metric.
            period: the length of the time range until now, in seconds.
            aggregate: mean, min, max or count.
            granularity: for a minimum or maximum of CPU usage, the length of each mean in seconds.

        Raises:
            MetricNotAvailable: the metric map does not have the metric.
            InvalidParameter: the aggregate or the period is invalid.
            DataSourceNotAvailable: the query failed; it is not repeated in this strategy run.
        """
        meter = self._get_meter(meter_name)
        if resource_type == _INSTANCE and meter in _FROM_MODEL:
            return float(getattr(resource, _FROM_MODEL[meter]))
        if resource_type not in {_HOST, _INSTANCE}:
            _LOG.warning("Datasource %s has no metrics of resource type %s", self.NAME, resource_type)
            return None
        if aggregate not in AGGREGATES:
            self._reject(f"the aggregate must be one of {', '.join(AGGREGATES)}, not {aggregate!r}")
        if not is_number(period) or period <= 0:
            self._reject(f"the period must be a number of seconds above 0, not {period!r}")
        name = self._name_of(resource, resource_type)
        if name is None:
            return None
        reading = Reading.create(meter_name, meter, aggregate, period, granularity)
        value = self._values(reading, resource_type).get(name)
        return None if value is None else _in_units(value, reading, resource)

    if not hasattr(DataSourceBase, "_statistic_aggregation"):
        # Up to release 16, strategies call this method; from 17, a caching method of the base class.
        statistic_aggregation = _statistic_aggregation

    def _name_of(self, resource: Any, resource_type: str) -> str | None:
        """Return the label value of a resource."""
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
        before, started = self._bulk.query_count, time.monotonic()
        try:
            values = self._bulk.values(reading, self._label(resource_type), whole)
        except MetricsError as error:
            self._failures[reading] = f"{reading.metric}: {self._endpoint.error_message(error)}"
            _LOG.error("Datasource %s: %s", self.NAME, self._failures[reading])
            self._fail(self._failures[reading])
        if self._bulk.query_count > before:
            _LOG.info(
                "Datasource %s: %s, %s over %g s: %d %ss in %.2f s (queries: %d)",
                self.NAME,
                reading.metric,
                reading.aggregate,
                reading.period,
                len(values),
                "host" if hosts else "instance",
                time.monotonic() - started,
                self._bulk.query_count - before,
            )
        return values

    def _fail(self, line: str) -> None:
        raise exception.DataSourceNotAvailable(message=f"Datasource {self.NAME}: {line}")

    def _reject(self, line: str) -> None:
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
        """Return a metric of a resource over time.

        Args:
            resource: a ComputeNode or an Instance of Watcher's model.
            resource_type: ``compute_node`` or ``instance``.
            meter_name: Watcher's name of the metric.
            start_time: the start of the range, in UTC if it has no zone; an hour before the end when None.
            end_time: the end of the range, in UTC if it has no zone; now when None.
            granularity: seconds between two points. Each point is the mean since the previous one.

        Returns:
            The values by time in UTC. Times without data are left out.

        Raises:
            MetricNotAvailable: the metric map does not have the metric.
            InvalidParameter: a time or the granularity is invalid.
            DataSourceNotAvailable: the query failed.
        """
        meter = self._get_meter(meter_name)
        end = _aware(end_time or datetime.now(UTC))
        start = _aware(start_time) if start_time else end - _DEFAULT_RANGE
        if not granularity > 0 or start > end:
            self._reject(f"invalid range: from {start} to {end} with a granularity of {granularity!r} s")
        if resource_type == _INSTANCE and meter in _FROM_MODEL:
            return {end: float(getattr(resource, _FROM_MODEL[meter]))}
        if resource_type not in {_HOST, _INSTANCE}:
            _LOG.warning("Datasource %s has no metrics of resource type %s", self.NAME, resource_type)
            return {}
        name = self._name_of(resource, resource_type)
        if name is None:
            return {}
        reading = Reading.create(meter_name, meter, "mean", granularity, None)
        label = self._label(resource_type)
        query = expression(reading, label, one_of(label, [name]))
        try:
            matrix = self.prometheus.query_range(query, start, end, granularity)
        except MetricsError as error:
            self._fail(f"{meter_name}: {self._endpoint.error_message(error)}")
        return {
            datetime.fromtimestamp(seconds, UTC): _in_units(value, reading, resource)
            for series in matrix
            for seconds, value in series.points
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

    # Shown by `openstack optimize strategy state`

    def check_availability(self) -> str:
        """Return ``available``, or ``not available`` and log the reason."""
        try:
            self.prometheus._get("status/runtimeinfo")  # noqa: SLF001  # see Connection
        except PrometheusAPIClientError as error:
            _LOG.warning("Datasource %s is not available: %s", self.NAME, _message(error))
            return "not available"
        return "available"

    def list_metrics(self) -> set[str]:
        """Return the names of all metrics in Prometheus; an empty set, and a log line, on failure."""
        try:
            return set(self.prometheus._get("label/__name__/values")["data"])  # noqa: SLF001  # see Connection
        except PrometheusAPIClientError as error:
            _LOG.warning("Datasource %s: cannot list metrics: %s", self.NAME, _message(error))
            return set()


def series_limit() -> int:
    """Return the limit of series in a query: one more than allowed, to detect larger results."""
    return int(CONF.aetos_client.max_series) + 1


def _in_units(value: float, reading: Reading, resource: Any) -> float:
    """Return a value in Watcher's unit. Only the CPU usage of an instance depends on the resource."""
    if reading.metric != "instance_cpu_usage" or reading.aggregate == "count":
        return value
    if not resource.vcpus:
        _LOG.warning("Instance %s has no vCPUs in the model; assuming 1", resource.uuid)
    return instance_cpu_percent(value, resource.vcpus or 1)


def _aware(time_: datetime) -> datetime:
    return time_ if time_.tzinfo else time_.replace(tzinfo=UTC)


def _message(error: PrometheusAPIClientError) -> str:
    """Return the error's message; observabilityclient's own errors have one only if there was a response."""
    return str(getattr(error, "line", type(error).__name__))
