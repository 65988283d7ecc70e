"""The exported metrics: the totals of all projects at one time, and the exporter's health."""

from __future__ import annotations

import gzip
import logging
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from chrysaetos.queued_log import lost_lines
from chrysaetos.usage.tally import Key, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from chrysaetos.usage.credits import Account
    from chrysaetos.usage.records import Project

__all__ = ["LABELS", "METRICS", "Exposition", "Health", "Snapshot", "take_snapshot"]

LABELS = ("project_id", "project_name", "domain_name", "domain_id")
METRICS = {
    "project_vcpu_usage": (
        "vcpu_hours",
        "Virtual CPU hours of the project's servers since the start date, weighted.",
    ),
    "project_mb_usage": ("mb_hours", "MB hours of memory since the start date, weighted."),
    "project_disk_gb_usage": ("disk_gb_hours", "GB hours of local disk since the start date."),
    "project_server_usage": ("server_hours", "Server hours since the start date."),
    "project_current_server_usage": ("servers", "Current number of servers."),
    "project_current_vcpu_usage": ("vcpus", "Virtual CPUs of the current servers."),
    "project_current_mb_usage": ("memory_mb", "MB of memory of the current servers."),
}
"""The attribute of ``Totals`` and the help of each metric."""

CREDITS = {
    "granted": "Hours of the project's grants that have not expired.",
    "used": "Hours that the project used since its first grant.",
    "left": "Hours of the project's grants that are left; below 0 if it used more.",
}
"""The attribute of ``Account`` and the help of each metric ``usage_exporter_credits_…_hours``.

The name is one that gates and portals pass on with the exporter's health.
"""

_NO_USAGE = Totals()
_COMPRESSION = 1


class Snapshot(NamedTuple):
    """All totals at one time, as they are exported.

    Attributes:
        taken: the time up to which usage has been counted, in seconds since the epoch.
        text: the totals in Prometheus' text format.
        compressed: the text as a member of a gzip file.
        accounts: the credits of projects.
    """

    taken: float
    text: bytes
    compressed: bytes
    accounts: Sequence[Account] = ()


class _TotalsCollector(Collector):
    """Provides the totals to prometheus-client."""

    def __init__(
        self, rows: Sequence[tuple[tuple[str, str, str, str], Totals]], accounts: Sequence[Account]
    ) -> None:
        self._rows = rows
        self._accounts = accounts

    def collect(self) -> Iterator[Metric]:
        for name, (attribute, text) in METRICS.items():
            family = GaugeMetricFamily(name, text, labels=LABELS)
            for labels, totals in self._rows:
                family.add_metric(labels, getattr(totals, attribute))
            yield family
        for name, text in CREDITS.items() if self._accounts else ():
            family = GaugeMetricFamily(
                f"usage_exporter_credits_{name}_hours", text, labels=[*LABELS, "resource"]
            )
            for account in self._accounts:
                family.add_metric([*_labels(account.project), account.resource], getattr(account, name))
            yield family


def _labels(project: Project) -> tuple[str, str, str, str]:
    return project.id, project.name, project.domain_name, project.domain_id


def take_snapshot(
    taken: float,
    projects: Iterable[Project],
    totals: Mapping[Key, Totals],
    accounts: Sequence[Account] = (),
) -> Snapshot:
    """Return a snapshot of the totals of projects.

    Args:
        taken: the time up to which usage has been counted, in seconds since the epoch.
        projects: the projects to export, also those without usage.
        totals: the totals by project.
        accounts: the credits of projects.
    """
    simple_vm: dict[str, dict[str, Totals]] = {}
    for key, project_totals in totals.items():
        if key.name is not None:
            simple_vm.setdefault(key.project_id, {})[key.name] = project_totals
    rows: list[tuple[tuple[str, str, str, str], Totals]] = []
    for project in projects:
        by_name = simple_vm.get(project.id, {})
        own = totals.get(Key(project.id))
        if own or not by_name:
            # A project inside the SimpleVM project may have the same name; then they share a series.
            by_name = {**by_name, project.name: by_name.get(project.name, _NO_USAGE) + (own or _NO_USAGE)}
        rows += ((_labels(project._replace(name=name)), by_name[name]) for name in sorted(by_name))
    text = _format(_TotalsCollector(rows, accounts))
    return Snapshot(taken, text, gzip.compress(text, _COMPRESSION), accounts)


def _format(collector: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


class Health(Collector):
    """The exporter's own state, as metrics.

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
        duplicates: number of servers that Nova listed more than once at the last update.
    """

    def __init__(self) -> None:
        self.fresh = False
        self.taken = self.succeeded = self.duration = 0.0
        self.calls = 0
        self.failures: dict[str, int] = {}
        self.problem: str | None = None
        self.missing = self.vanished = 0.0
        self.duplicates = 0

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        gauges = {
            "up": (
                float(self.fresh),
                "Whether the usage of projects is exported: it exists and is not too old.",
            ),
            "counted_until_timestamp_seconds": (
                self.taken,
                "Time up to which the exported usage has been counted.",
            ),
            "last_success_timestamp_seconds": (self.succeeded, "Time of the last successful update."),
            "last_update_duration_seconds": (self.duration, "Duration of the last successful update."),
            "truncated": (
                float(self.problem == "truncated"),
                "Whether the last update failed because a response was truncated.",
            ),
            "reconciliation_missing_hours": (
                self.missing,
                "Server hours since the start date that Nova reports and that were not counted.",
            ),
            "reconciliation_vanished_hours": (
                self.vanished,
                "Counted server hours that Nova no longer reports.",
            ),
            "duplicate_servers": (
                float(self.duplicates),
                "Servers that Nova listed more than once at the last update; each was counted once.",
            ),
        }
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(f"usage_exporter_{name}", text, value=value)
        yield CounterMetricFamily("usage_exporter_api_calls", "API calls.", value=self.calls)
        failures = CounterMetricFamily("usage_exporter_update_failures", "Failed updates.", labels=["reason"])
        for reason, count in self.failures.items():
            failures.add_metric([reason], count)
        yield failures
        lost = CounterMetricFamily(
            "usage_exporter_log_lines_lost",
            "Lines missing in the log: queue_full if it was not written fast enough, or write_failed.",
            labels=["reason"],
        )
        for reason, count in lost_lines(logging.getLogger()).items():
            lost.add_metric([reason], count)
        yield lost
        problem = GaugeMetricFamily(
            "usage_exporter_problem", "Reason why the last update failed.", labels=["reason"]
        )
        if self.problem:
            problem.add_metric([self.problem], 1)
        yield problem


class Exposition:
    """The content of a scrape: the latest snapshot, if it is not too old, and the health.

    Args:
        max_age: seconds after which a snapshot is no longer exported.
    """

    def __init__(self, max_age: float) -> None:
        self.health = Health()
        self._max_age = max_age
        self._snapshot: Snapshot | None = None
        self._lock = Lock()

    def publish(self, snapshot: Snapshot) -> None:
        """Replace the exported snapshot."""
        self._snapshot = snapshot

    def accounts(self) -> Sequence[Account]:
        """Return the credits of projects at the last update."""
        return self._snapshot.accounts if self._snapshot else ()

    def is_fresh(self, now: float) -> bool:
        """Return whether a snapshot exists and is not too old at ``now``, in seconds since the epoch."""
        return self._snapshot is not None and now - self._snapshot.taken <= self._max_age

    def render(self, now: float, *, compressed: bool) -> bytes:
        """Return all metrics in Prometheus' text format.

        Args:
            now: seconds since the epoch.
            compressed: whether to compress them with gzip.
        """
        snapshot = self._snapshot
        with self._lock:
            self.health.fresh = self.is_fresh(now)
            self.health.taken = snapshot.taken if snapshot else 0.0
            health = _format(self.health)
        if snapshot is None or not self.health.fresh:
            return gzip.compress(health, _COMPRESSION) if compressed else health
        if not compressed:
            return snapshot.text + health
        # A gzip file may have several members (RFC 1952, 2.2), so the snapshot is compressed only once.
        return snapshot.compressed + gzip.compress(health, _COMPRESSION)
