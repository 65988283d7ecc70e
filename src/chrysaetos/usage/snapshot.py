"""The exported metrics: the totals and quotas of all projects at one time, and the exporter's health."""

from __future__ import annotations

import gzip
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from chrysaetos.usage.health import Health, HealthCollector
from chrysaetos.usage.tally import Key, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prometheus_client import Metric

    from chrysaetos.usage.credits import Account
    from chrysaetos.usage.quotas import Quota
    from chrysaetos.usage.records import Project

__all__ = [
    "CREDITS",
    "CREDIT_LABELS",
    "FLOATING_IP_METRICS",
    "LABELS",
    "METRICS",
    "QUOTAS",
    "QUOTA_LABELS",
    "SERVERS",
    "VOLUME_METRICS",
    "Exposition",
    "Snapshot",
    "quota_snapshot",
    "take_snapshot",
]

SERVERS = "servers"
"""The name of the source of servers, which is exported by default."""

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
"""The attribute of ``Totals`` and the help of each metric of servers."""
VOLUME_METRICS = {
    "project_volume_gb_usage": ("disk_gb_hours", "GiB hours of the project's volumes since the start date."),
    "project_volume_usage": ("server_hours", "Volume hours since the start date."),
    "project_current_volume_usage": ("servers", "Current number of volumes."),
    "project_current_volume_gb_usage": ("disk_gb", "GiB of the current volumes."),
}
"""The same for volumes, which are counted as servers with only a disk."""
FLOATING_IP_METRICS = {
    "project_floating_ip_usage": ("server_hours", "Floating IP hours since the start date."),
    "project_current_floating_ip_usage": ("servers", "Current number of floating IPs."),
}
"""The same for floating IPs."""

QUOTA_LABELS = (*LABELS, "service", "resource")
QUOTAS = {
    "usage_exporter_quota_limit": ("limit", "Limit of the project's quota; +Inf if there is none."),
    "usage_exporter_quota_used": ("used", "What the project uses of its quota."),
}
"""The attribute of ``Quota`` and the help of each metric. Gates and portals pass on names such as these."""

CREDIT_LABELS = (*LABELS, "resource", "part")
"""Only the projects inside a SimpleVM project have the label ``part``."""
CREDITS = {
    "usage_exporter_credits_granted_hours": (
        "granted",
        "Hours of the project's grants that have not expired.",
    ),
    "usage_exporter_credits_used_hours": ("used", "Hours that the project used since its first grant."),
    "usage_exporter_credits_left_hours": (
        "left",
        "Hours of the project's grants that are left; below 0 if it used more.",
    ),
}
"""The attribute of ``Account`` and the help of each metric, whose name gates and portals pass on, too."""

_NO_USAGE = Totals()
_COMPRESSION = 1


class Snapshot(NamedTuple):
    """All totals at one time, as they are exported.

    Attributes:
        taken: the time up to which usage has been counted, in seconds since the epoch.
        text: the header and the samples of each metric in Prometheus' text format. Snapshots of several
            sources may have samples of the same metric, which has its header once.
        compressed: the same, each text as a member of a gzip file.
        accounts: the credits of projects.
    """

    taken: float
    text: Sequence[tuple[bytes, bytes]]
    compressed: Sequence[tuple[bytes, bytes]]
    accounts: Sequence[Account] = ()


def _labels(project: Project) -> tuple[str, str, str, str]:
    return project.id, project.name, project.domain_name, project.domain_id


def take_snapshot(
    taken: float,
    projects: Iterable[Project],
    totals: Mapping[Key, Totals],
    accounts: Sequence[Account] = (),
    metrics: Mapping[str, tuple[str, str]] = METRICS,
) -> Snapshot:
    """Return a snapshot of the totals of projects.

    Args:
        taken: the time up to which usage has been counted, in seconds since the epoch.
        projects: the projects to export, also those without usage.
        totals: the totals by project.
        accounts: the credits of projects.
        metrics: the attribute of ``Totals`` and the help of each metric to export.
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
    families = [_family(name, metric, LABELS, rows) for name, metric in metrics.items()]
    # Projects inside a SimpleVM project have one id, so rules that drop the names need another label.
    for labels in (CREDIT_LABELS[:-1], CREDIT_LABELS):
        rows_of_credits = [
            ((*_labels(account.project), account.resource, account.part)[: len(labels)], account)
            for account in accounts
            if (labels == CREDIT_LABELS) == bool(account.part)
        ]
        if rows_of_credits:
            families += [_family(name, metric, labels, rows_of_credits) for name, metric in CREDITS.items()]
    return _snapshot(taken, families, accounts)


def quota_snapshot(taken: float, quotas: Sequence[Quota]) -> Snapshot:
    """Return a snapshot of the quotas of projects.

    Args:
        taken: the time at which they were requested, in seconds since the epoch.
        quotas: the quotas.
    """
    rows = [((*_labels(quota.project), quota.service, quota.resource), quota) for quota in quotas]
    return _snapshot(taken, [_family(name, metric, QUOTA_LABELS, rows) for name, metric in QUOTAS.items()])


def _family(
    name: str, metric: tuple[str, str], labels: Sequence[str], rows: Iterable[tuple[Sequence[str], object]]
) -> Metric:
    """Return the family of a metric. ``metric`` is the attribute of each row's object, and the help."""
    attribute, text = metric
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, row in rows:
        family.add_metric(values, getattr(row, attribute))
    return family


def _snapshot(taken: float, families: Iterable[Metric], accounts: Sequence[Account] = ()) -> Snapshot:
    text, compressed = [], []
    for family in families:
        help_line, type_line, samples = _format(_Families([family])).split(b"\n", 2)
        header = help_line + b"\n" + type_line + b"\n"
        text.append((header, samples))
        compressed.append((_compress(header), _compress(samples)))
    return Snapshot(taken, text, compressed, accounts)


class _Families(Collector):
    """Provides families of metrics to prometheus-client."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _format(collector: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


def _compress(text: bytes) -> bytes:
    """Return a member of a gzip file: such a file may have several (RFC 1952, 2.2)."""
    return gzip.compress(text, _COMPRESSION, mtime=0)


class Exposition:
    """The content of a scrape: the latest snapshot, if it is not too old, and the health.

    Args:
        max_age: seconds after which a snapshot is no longer exported.
        source: the name of the source of the snapshots.
        others: the expositions of other sources, which are rendered with this one.
    """

    def __init__(self, max_age: float, *, source: str = SERVERS, others: Sequence[Exposition] = ()) -> None:
        self.health = Health()
        self.source = source
        self._max_age = max_age
        self._snapshot: Snapshot | None = None
        self._all = (self, *others)
        self._collector = HealthCollector({each.source: each.health for each in self._all})
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

    def current(self, now: float) -> Snapshot | None:
        """Return the snapshot if it is not too old at ``now``, and note the result in the health."""
        snapshot = self._snapshot
        self.health.fresh = self.is_fresh(now)
        self.health.taken = snapshot.taken if snapshot else 0.0
        return snapshot if self.health.fresh else None

    def render(self, now: float, *, compressed: bool) -> bytes:
        """Return all metrics in Prometheus' text format.

        Args:
            now: seconds since the epoch.
            compressed: whether to compress them with gzip.
        """
        with self._lock:
            snapshots = [each.current(now) for each in self._all]
            health = _format(self._collector)
        families: dict[bytes, list[bytes]] = {}
        for snapshot in filter(None, snapshots):
            for header, samples in snapshot.compressed if compressed else snapshot.text:
                families.setdefault(header, []).append(samples)
        parts = [part for header, samples in families.items() for part in (header, *samples)]
        return b"".join([*parts, _compress(health) if compressed else health])
