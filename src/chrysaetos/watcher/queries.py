"""Watcher's metrics as grouped PromQL: one expression for all hosts or all instances.

For the mean, these are the expressions of Watcher's own Prometheus datasources (``prometheus_base.py``,
release 17), grouped by resource, so values and units are the same:

    host_cpu_usage       percent      100 minus the idle time of all CPUs
    host_ram_usage       KiB          total minus available memory
    instance_cpu_usage   ns/s         CPU time; ``instance_cpu_percent`` converts it to percent of the vCPUs
    any other            unchanged    a gauge

Minimum and maximum are those over time. For CPU, they are the lowest and highest mean over ``granularity``
seconds within the period, because a counter has no instantaneous value. The count is the number of samples in
the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chrysaetos.client import promql

if TYPE_CHECKING:
    from chrysaetos.client.promql import Expression, Matcher

__all__ = ["AGGREGATES", "Reading", "expression", "instance_cpu_percent"]

AGGREGATES: Final = ("mean", "min", "max", "count")
"""Watcher's aggregates (``DataSourceBase.AGGREGATES``)."""

_COUNTERS: Final = frozenset({"host_cpu_usage", "instance_cpu_usage"})

_OPERATORS: Final = {"mean": "avg", "min": "min", "max": "max"}

_OPPOSITE: Final = {"mean": "avg", "min": "max", "max": "min"}
"""The aggregation of free memory for each aggregate of used memory."""

_STEPS: Final = 5
"""The number of evaluations per window for a minimum or maximum over time."""

_BYTES_PER_KIB: Final = 1024
_NANOSECONDS: Final = 10e8


@dataclass(frozen=True, slots=True)
class Reading:
    """An aggregate of a metric of all hosts or all instances.

    Attributes:
        metric: Watcher's name of the metric, such as ``host_cpu_usage``.
        meter: Prometheus' name of the metric, from the metric map.
        aggregate: one of ``AGGREGATES``.
        period: the length of the time range until now, in seconds.
        window: for a minimum or maximum over time, the length of each mean in seconds; else ``period``.
    """

    metric: str
    meter: str
    aggregate: str
    period: float
    window: float

    @classmethod
    def create(
        cls, metric: str, meter: str, aggregate: str, period: float, granularity: float | None
    ) -> Reading:
        """Return a reading. Readings with the same result are equal.

        Args:
            metric: Watcher's name of the metric.
            meter: Prometheus' name of the metric.
            aggregate: one of ``AGGREGATES``.
            period: seconds, greater than 0.
            granularity: seconds; None or 0 for the whole period.
        """
        extreme = metric in _COUNTERS and aggregate in {"min", "max"}
        window = min(granularity or period, period) if extreme else period
        return cls(metric, meter, aggregate, period, window)


def expression(reading: Reading, label: str, matcher: Matcher) -> Expression:
    """Return the PromQL of a reading, with one series for each value of the label.

    Args:
        reading: the reading.
        label: the label that identifies a host or an instance.
        matcher: selects the hosts or instances.
    """
    if reading.aggregate == "count":
        counted = promql.call("count_over_time", _samples(reading, matcher, reading.period))
        return promql.aggregate("max", counted, by=[label])
    if reading.metric in _COUNTERS:
        used = _used_time(reading, label, matcher)
        if reading.window >= reading.period:
            return used
        rest = reading.period - reading.window
        # The step must not exceed the range, or there is no evaluation.
        windows = promql.subquery(used, rest, min(reading.window / _STEPS, rest))
        return promql.call(f"{reading.aggregate}_over_time", windows)
    if reading.metric == "host_ram_usage":
        total = promql.aggregate("max", promql.selector(_total(reading.meter), matcher), by=[label])
        free = _over_time(_OPPOSITE[reading.aggregate], reading, label, matcher)
        return promql.binary(promql.binary(total, "-", free), "/", _BYTES_PER_KIB)
    return _over_time(_OPERATORS[reading.aggregate], reading, label, matcher)


def instance_cpu_percent(nanoseconds: float, vcpus: int) -> float:
    """Return CPU time (ns per second) as percent of an instance's vCPUs, at most 100.

    The operations and their order are those of Watcher's query, so the results are identical.
    """
    return min(nanoseconds / _NANOSECONDS * (100 / vcpus), 100.0)


def _samples(reading: Reading, matcher: Matcher, period: float) -> Expression:
    matchers = [promql.equal("mode", "idle"), matcher] if reading.metric == "host_cpu_usage" else [matcher]
    return promql.selector(reading.meter, *matchers, range=period)


def _used_time(reading: Reading, label: str, matcher: Matcher) -> Expression:
    """Return the mean rate of a CPU counter over the window: percent for hosts, ns/s for instances."""
    rate = promql.call("rate", _samples(reading, matcher, reading.window))
    mean = promql.aggregate("avg", rate, by=[label])
    if reading.metric == "instance_cpu_usage":
        return mean
    return promql.binary(100, "-", promql.binary(mean, "*", 100))


def _over_time(operator: str, reading: Reading, label: str, matcher: Matcher) -> Expression:
    """Return the aggregate of a gauge over the period, and over all series of a resource."""
    series = promql.call(f"{operator}_over_time", _samples(reading, matcher, reading.period))
    return promql.aggregate(operator, series, by=[label])


def _total(available: str) -> str:
    """Return the meter of a host's total memory for the meter of its available memory."""
    total = available.replace("MemAvailable", "MemTotal")
    return "node_memory_MemTotal_bytes" if total == available else total
