"""Watcher's metrics as PromQL, grouped: one expression answers for every host or every instance.

For the mean these are the expressions of Watcher's own Prometheus datasources (`prometheus_base.py`, release
17), with a group in the place of one resource, so values and units are the same:

    host_cpu_usage       percent      100 less idle time of all CPUs
    host_ram_usage       KiB          total less available
    instance_cpu_usage   ns/s         CPU time; percent of its vCPUs by `instance_cpu_percent`
    any other            as it is     a gauge

The maximum and the minimum are those over time: for CPU the highest and lowest mean over `granularity`
seconds within the period, as a counter has no value at a moment. The count is the number of samples in the
period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chrysaetos.client import promql

if TYPE_CHECKING:
    from chrysaetos.client.promql import Expression, Matcher

__all__ = ["AGGREGATES", "Reading", "expression", "instance_cpu_percent"]

AGGREGATES: Final = ("mean", "min", "max", "count")
"""What Watcher may ask for (`DataSourceBase.AGGREGATES`)."""

_COUNTERS: Final = frozenset({"host_cpu_usage", "instance_cpu_usage"})

_OPERATORS: Final = {"mean": "avg", "min": "min", "max": "max"}

_OPPOSITE: Final = {"mean": "avg", "min": "max", "max": "min"}
"""Aggregation of what is free that gives the aggregate of what is used."""

_STEPS: Final = 5
"""How often, within a window, the mean over that window is taken anew for a maximum or minimum over time."""

_BYTES_PER_KIB: Final = 1024
_NANOSECONDS: Final = 10e8


@dataclass(frozen=True, slots=True)
class Reading:
    """What is asked about all hosts or all instances.

    Attributes:
        metric: Watcher's name for it, such as `host_cpu_usage`.
        meter: Prometheus' name for it, from the metric map.
        aggregate: one of `AGGREGATES`.
        period: seconds back from now.
        window: seconds of each mean that a maximum or minimum over time is taken of; `period` where that
            makes no difference.
    """

    metric: str
    meter: str
    aggregate: str
    period: float
    window: float

    @classmethod
    def of(cls, metric: str, meter: str, aggregate: str, period: float, granularity: float | None) -> Reading:
        """A reading; those that have the same answer are equal.

        Args:
            metric: Watcher's name.
            meter: Prometheus' name.
            aggregate: one of `AGGREGATES`.
            period: seconds, above 0.
            granularity: seconds; None or 0 for the whole period.
        """
        extreme = metric in _COUNTERS and aggregate in {"min", "max"}
        window = min(granularity or period, period) if extreme else period
        return cls(metric, meter, aggregate, period, window)


def expression(reading: Reading, label: str, matcher: Matcher) -> Expression:
    """A reading as PromQL: one value for each value of a label.

    Args:
        reading: what to ask.
        label: the label that tells hosts, or instances, apart.
        matcher: which of them to ask about.
    """
    if reading.aggregate == "count":
        counted = promql.call("count_over_time", _samples(reading, matcher, reading.period))
        return promql.aggregate("max", counted, by=[label])
    if reading.metric in _COUNTERS:
        used = _used_time(reading, label, matcher)
        if reading.window >= reading.period:
            return used
        rest = reading.period - reading.window
        # A step no longer than the range, so that at least one lies within it.
        windows = promql.subquery(used, rest, min(reading.window / _STEPS, rest))
        return promql.call(f"{reading.aggregate}_over_time", windows)
    if reading.metric == "host_ram_usage":
        total = promql.aggregate("max", promql.selector(_total(reading.meter), matcher), by=[label])
        free = _over_time(_OPPOSITE[reading.aggregate], reading, label, matcher)
        return promql.binary(promql.binary(total, "-", free), "/", _BYTES_PER_KIB)
    return _over_time(_OPERATORS[reading.aggregate], reading, label, matcher)


def instance_cpu_percent(nanoseconds: float, vcpus: int) -> float:
    """CPU time (ns per second) as percent of an instance's vCPUs, at most 100.

    The operations and their order are those of Watcher's query, so the result is the same to the last bit.
    """
    return min(nanoseconds / _NANOSECONDS * (100 / vcpus), 100.0)


def _samples(reading: Reading, matcher: Matcher, span: float) -> Expression:
    matchers = [promql.equal("mode", "idle"), matcher] if reading.metric == "host_cpu_usage" else [matcher]
    return promql.selector(reading.meter, *matchers, range=span)


def _used_time(reading: Reading, label: str, matcher: Matcher) -> Expression:
    """The mean of a CPU counter's rate over the window: percent for hosts, ns/s for instances."""
    rate = promql.call("rate", _samples(reading, matcher, reading.window))
    mean = promql.aggregate("avg", rate, by=[label])
    if reading.metric == "instance_cpu_usage":
        return mean
    return promql.binary(100, "-", promql.binary(mean, "*", 100))


def _over_time(operator: str, reading: Reading, label: str, matcher: Matcher) -> Expression:
    """A gauge over the period; where a resource has several series, over them as well."""
    each = promql.call(f"{operator}_over_time", _samples(reading, matcher, reading.period))
    return promql.aggregate(operator, each, by=[label])


def _total(available: str) -> str:
    """The meter of a host's whole memory, beside the one of its available memory."""
    total = available.replace("MemAvailable", "MemTotal")
    return "node_memory_MemTotal_bytes" if total == available else total
