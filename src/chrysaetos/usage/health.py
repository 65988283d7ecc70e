"""The exporter's health: the state of each source, and the metrics that show it."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chrysaetos.queued_log import lost_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

__all__ = ["Health", "HealthCollector"]


_GAUGES = (
    ("up", "fresh", "Whether the usage of projects is exported: it exists and is not too old."),
    ("counted_until_timestamp_seconds", "taken", "Time up to which the exported usage has been counted."),
    ("last_success_timestamp_seconds", "succeeded", "Time of the last successful update."),
    ("last_update_duration_seconds", "duration", "Duration of the last successful update."),
    (
        "reconciliation_missing_hours",
        "missing",
        "Server hours since the start date that Nova reports and that were not counted.",
    ),
    ("reconciliation_vanished_hours", "vanished", "Counted server hours that Nova no longer reports."),
    (
        "duplicate_servers",
        "duplicates",
        "Servers that Nova listed more than once at the last update; each was counted once.",
    ),
)
"""The name after ``usage_exporter_``, the attribute of ``Health`` and the help of each metric."""
_GAUGES_BY_SOURCE = (
    ("up", "fresh", "Whether the figures of the source are exported: they exist and are not too old."),
    ("counted_until_timestamp_seconds", "taken", "Time of the exported figures of the source."),
    ("duplicates", "duplicates", "Objects that were listed more than once; each was counted once."),
)
"""The same for each source, with names after ``usage_exporter_source_``."""


@dataclass(slots=True)
class Health:
    """The state of a source.

    Attributes:
        fresh: whether the totals are exported.
        taken: the time up to which usage has been counted, in seconds since the epoch; 0 if there are no
            totals.
        succeeded: the time of the last successful update, in seconds since the epoch; 0 for never.
        duration: duration of the last successful update, in seconds.
        calls: API calls so far.
        failures: failed updates so far, by reason.
        problem: the reason why the last update failed; None if it succeeded.
        missing: hours that Nova reported at the last reconciliation and that were not counted.
        vanished: counted hours that Nova no longer reported at the last reconciliation.
        duplicates: number of objects that were listed more than once at the last update.
    """

    fresh: bool = False
    taken: float = 0.0
    succeeded: float = 0.0
    duration: float = 0.0
    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    problem: str | None = None
    missing: float = 0.0
    vanished: float = 0.0
    duplicates: int = 0


class HealthCollector(Collector):
    """Provides the health to prometheus-client.

    Args:
        sources: the state of each source by name. Metrics without a label are those of the first source,
            which is that of servers unless they are not counted.
    """

    def __init__(self, sources: Mapping[str, Health]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        first = next(iter(self._sources.values()))
        for name, attribute, text in _GAUGES:
            value = float(getattr(first, attribute))
            yield GaugeMetricFamily(f"usage_exporter_{name}", text, value=value)
        yield GaugeMetricFamily(
            "usage_exporter_truncated",
            "Whether the last update of a source failed because a response was truncated.",
            value=float(any(source.problem == "truncated" for source in self._sources.values())),
        )
        if len(self._sources) > 1:
            yield from self._by_source()
        calls = sum(source.calls for source in self._sources.values())
        yield CounterMetricFamily("usage_exporter_api_calls", "API calls.", value=calls)
        failures: Counter[str] = Counter()
        for source in self._sources.values():
            failures.update(dict(source.failures))  # a copy, since updates run in other threads
        yield _by_reason(
            CounterMetricFamily("usage_exporter_update_failures", "Failed updates.", labels=["reason"]),
            failures,
        )
        yield _by_reason(
            CounterMetricFamily(
                "usage_exporter_log_lines_lost",
                "Lines missing in the log: queue_full if it was not written fast enough, or write_failed.",
                labels=["reason"],
            ),
            lost_lines(logging.getLogger()),
        )
        yield _by_reason(
            GaugeMetricFamily(
                "usage_exporter_problem", "Reason why the last update of a source failed.", labels=["reason"]
            ),
            {problem: 1 for source in self._sources.values() if (problem := source.problem)},
        )

    def _by_source(self) -> Iterator[Metric]:
        """Yield what differs between sources, if there are several."""
        for name, attribute, text in _GAUGES_BY_SOURCE:
            family = GaugeMetricFamily(f"usage_exporter_source_{name}", text, labels=["source"])
            for source, health in self._sources.items():
                family.add_metric([source], float(getattr(health, attribute)))
            yield family


def _by_reason(
    family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, float]
) -> CounterMetricFamily | GaugeMetricFamily:
    for reason, value in values.items():
        family.add_metric([reason], value)
    return family
