"""What is exported: the sums of all projects at one time, and the exporter's own health."""

from __future__ import annotations

import gzip
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chrysaetos.usage.tally import Key, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from chrysaetos.usage.records import Project

__all__ = ["LABELS", "METRICS", "Exposition", "Health", "Snapshot", "snapshot"]

LABELS = ("project_id", "project_name", "domain_name", "domain_id")
METRICS = {
    "project_vcpu_usage": (
        "vcpu_hours",
        "Hours times virtual CPUs times weight of the project's servers since the start date.",
    ),
    "project_mb_usage": ("mb_hours", "Hours times MB of memory times weight since the start date."),
    "project_disk_gb_usage": ("disk_gb_hours", "Hours times GB of local disk since the start date."),
    "project_server_usage": ("server_hours", "Hours of all servers since the start date."),
    "project_current_server_usage": ("servers", "Servers that there are now."),
    "project_current_vcpu_usage": ("vcpus", "Virtual CPUs of the servers that there are now."),
    "project_current_mb_usage": ("memory_mb", "MB of memory of the servers that there are now."),
}
"""Name of each metric → attribute of `Totals`, help."""

_NOTHING = Totals()
_COMPRESSION = 1


class Snapshot(NamedTuple):
    """All sums at one time, as they are exported; nothing changes it.

    Attributes:
        taken: seconds since the epoch; up to when it counts.
        text: the sums in Prometheus' text format.
        compressed: the same, as a member of a gzip file.
    """

    taken: float
    text: bytes
    compressed: bytes


class _Sums(Collector):
    """Gives the sums to the library that writes them."""

    def __init__(self, rows: Sequence[tuple[tuple[str, str, str, str], Totals]]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        for name, (attribute, text) in METRICS.items():
            family = GaugeMetricFamily(name, text, labels=LABELS)
            for labels, totals in self._rows:
                family.add_metric(labels, getattr(totals, attribute))
            yield family


def snapshot(taken: float, projects: Iterable[Project], sums: Mapping[Key, Totals]) -> Snapshot:
    """Write the sums of projects.

    Args:
        taken: up to when they count, in seconds since the epoch.
        projects: those to export; one without a sum has used nothing.
        sums: by project.
    """
    hosted: dict[str, dict[str, Totals]] = {}
    for key, totals in sums.items():
        if key.name is not None:
            hosted.setdefault(key.project_id, {})[key.name] = totals
    rows: list[tuple[tuple[str, str, str, str], Totals]] = []
    for project in projects:
        shown = hosted.get(project.id, {})
        own = sums.get(Key(project.id))
        if own or not shown:
            # A project within may have the name of the one that hosts it: then they are one series.
            shown = {**shown, project.name: shown.get(project.name, _NOTHING) + (own or _NOTHING)}
        rows += (
            ((project.id, name, project.domain_name, project.domain_id), shown[name])
            for name in sorted(shown)
        )
    text = _written(_Sums(rows))
    return Snapshot(taken, text, gzip.compress(text, _COMPRESSION))


def _written(collector: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


class Health(Collector):
    """The exporter's own state, as metrics.

    Attributes:
        fresh: whether the sums are exported.
        taken: up to when they count, in seconds since the epoch; 0 when there are none.
        succeeded: when the last good update ended, in seconds since the epoch; 0 for never.
        duration: how long it took, in seconds.
        calls: API calls so far.
        failures: failed updates so far, by reason.
        problem: the reason why the last update failed; None when it did not.
        missing: hours that Nova reports since the start date and that were not counted: last reconciliation.
        vanished: hours that were counted and that Nova no longer reports.
    """

    def __init__(self) -> None:
        self.fresh = False
        self.taken = self.succeeded = self.duration = 0.0
        self.calls = 0
        self.failures: dict[str, int] = {}
        self.problem: str | None = None
        self.missing = self.vanished = 0.0

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        gauges = {
            "up": (
                float(self.fresh),
                "Whether the usage of projects is exported: there is one, not too old.",
            ),
            "counted_until_timestamp_seconds": (self.taken, "Up to when the exported usage counts."),
            "last_success_timestamp_seconds": (self.succeeded, "When the last good update ended."),
            "last_update_duration_seconds": (self.duration, "How long the last good update took."),
            "truncated": (
                float(self.problem == "truncated"),
                "Whether the last update failed because an answer was cut.",
            ),
            "reconciliation_missing_hours": (
                self.missing,
                "Server hours that Nova reports since the start date and that were not counted.",
            ),
            "reconciliation_vanished_hours": (
                self.vanished,
                "Server hours that were counted and that Nova no longer reports.",
            ),
        }
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(f"usage_exporter_{name}", text, value=value)
        yield CounterMetricFamily("usage_exporter_api_calls", "API calls.", value=self.calls)
        failures = CounterMetricFamily(
            "usage_exporter_update_failures", "Updates that failed.", labels=["reason"]
        )
        for reason, count in self.failures.items():
            failures.add_metric([reason], count)
        yield failures
        problem = GaugeMetricFamily(
            "usage_exporter_problem", "Why the last update failed.", labels=["reason"]
        )
        if self.problem:
            problem.add_metric([self.problem], 1)
        yield problem


class Exposition:
    """What a scrape gets: the latest snapshot, if it is not too old, and the health.

    Args:
        max_age: seconds after which a snapshot is no longer shown.
    """

    def __init__(self, max_age: float) -> None:
        self.health = Health()
        self._max_age = max_age
        self._snapshot: Snapshot | None = None
        self._lock = Lock()

    def publish(self, snapshot: Snapshot) -> None:
        """Show this from now on."""
        self._snapshot = snapshot

    def fresh(self, now: float) -> bool:
        """Whether there is a snapshot that is not too old; `now` is in seconds since the epoch."""
        return self._snapshot is not None and now - self._snapshot.taken <= self._max_age

    def render(self, now: float, *, compressed: bool) -> bytes:
        """The whole page, in Prometheus' text format.

        Args:
            now: seconds since the epoch.
            compressed: by gzip.
        """
        shown = self._snapshot
        with self._lock:
            self.health.fresh = self.fresh(now)
            self.health.taken = shown.taken if shown else 0.0
            own = _written(self.health)
        if shown is None or not self.health.fresh:
            return gzip.compress(own, _COMPRESSION) if compressed else own
        # A gzip file may have several members (RFC 1952, 2.2): what does not change is compressed once.
        return shown.compressed + gzip.compress(own, _COMPRESSION) if compressed else shown.text + own
