"""The sample cloud: its hosts and servers, and the metrics that their exporters expose at any time.

This module is pure: all values follow from the tenants and the time when the cloud was created. Hosts expose
the metrics of node_exporter, with the target label ``fqdn`` that deployments add, and belong to no project.
Instances expose the metrics of Ceilometer's Prometheus exporter (``ceilometer/polling/prom_exporter.py``:
labels ``project``, ``resource``, ``unit``, …). Each tenant's web server also exposes a histogram with
exemplars.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.demo.waves import wave
from chrysaetos.utc import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from chrysaetos.demo.waves import Wave

__all__ = ["Cloud", "Family", "Series", "Target", "Tenant"]

_GIB = 1024**3
_HOSTS = ("compute-0", "compute-1", "compute-2")
_CPUS = 4
_HOST_MEMORY = 64 * _GIB
_HOST_DISK = 480 * _GIB
_AGE = 30 * DAY
"""Uptime of hosts and servers when the cloud was created, in seconds."""

_SERVERS = (("web-0", 2, 4096, 20, 0.3), ("db-0", 4, 8192, 80, 0.45), ("batch-0", 1, 2048, 10, 0.55))
"""Name, vCPUs, MiB of memory, GiB of disk, mean usage of the vCPUs. The first tenant has all three servers,
the other tenants have the first two."""

_USAGE_DAYS = (30, 5, 2)
"""For how many days the usage exporter has counted each server when the cloud was created."""

_BUCKETS = (("0.05", 0.55), ("0.1", 0.8), ("0.25", 0.93), ("0.5", 0.98), ("1", 0.995), ("+Inf", 1.0))
"""Upper bound of each bucket in seconds, and the fraction of all requests in it."""

_MEAN_LATENCY = 0.09
_EXEMPLAR_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Tenant:
    """A project with servers in the cloud, and the user that owns them."""

    name: str
    project_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Series:
    """A series of a family.

    Attributes:
        name: the sample name.
        labels: the labels.
        value: returns the value at a time.
        exemplar: returns the exemplar at a time, in OpenMetrics text format; None for no exemplars.
    """

    name: str
    labels: Mapping[str, str]
    value: Callable[[float], float]
    exemplar: Callable[[float], str] | None = None

    def selector(self, extra: Mapping[str, str] | None = None) -> str:
        """Return name and labels in the exposition format."""
        labels = {**self.labels, **(extra or {})}
        pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
        return f"{self.name}{{{pairs}}}"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: OpenMetrics name, type and help, and its series."""

    name: str
    kind: str
    help: str
    series: tuple[Series, ...]

    def header(self) -> str:
        """Return the lines before the samples."""
        return f"# TYPE {self.name} {self.kind}\n# HELP {self.name} {self.help}\n"


@dataclass(frozen=True, slots=True)
class Target:
    """A scrape target.

    Attributes:
        job: the scrape job.
        path: the metrics path, unique in the cloud.
        labels: labels of the target, including ``instance``.
        families: the exposed metric families.
    """

    job: str
    path: str
    labels: Mapping[str, str]
    families: tuple[Family, ...]

    def exposition(self, time: float) -> str:
        """Return the response to a scrape at a time: OpenMetrics text without timestamps."""
        lines: list[str] = []
        for family in self.families:
            lines.append(family.header())
            for series in family.series:
                exemplar = f" # {series.exemplar(time)}" if series.exemplar else ""
                lines.append(f"{series.selector()} {series.value(time)!r}{exemplar}\n")
        lines.append("# EOF\n")
        return "".join(lines)


class Cloud:
    """Three hosts and the servers of the tenants.

    Args:
        tenants: the tenants.
        created: when the cloud was created, in seconds since the epoch. Counters start 30 days earlier.

    Attributes:
        tenants: the tenants.
        targets: the scrape targets.
    """

    def __init__(self, tenants: Sequence[Tenant], created: float) -> None:
        self.tenants = tenants
        self._start = created - _AGE
        ceilometer = [
            family for index, tenant in enumerate(tenants) for family in self._instances(tenant, index)
        ]
        self.targets: tuple[Target, ...] = (
            *(self._host(name) for name in _HOSTS),
            Target("ceilometer", "/ceilometer", {"instance": "ceilometer:9101"}, _merge(ceilometer)),
            *(self._application(tenant) for tenant in tenants),
            Target("project_usages", "/usages", {"instance": "usage:9103"}, self._usage(tenants)),
        )

    def history(self, start: int, end: int, step: int, *, job: str | None = None) -> Iterator[str]:
        """Yield samples in a time range, as OpenMetrics text with timestamps.

        Args:
            start: time of the first sample, in seconds since the epoch.
            end: time after the last sample.
            step: seconds between samples.
            job: the job of the targets; all targets if None.
        """
        times = range(start, end, step)
        for target in self.targets:
            if job not in {None, target.job}:
                continue
            labels = {**target.labels, "job": target.job}
            for family in target.families:
                yield family.header()
                for series in family.series:
                    selector, value = series.selector(labels), series.value
                    yield "".join(f"{selector} {value(time)!r} {time}\n" for time in times)
        yield "# EOF\n"

    def _host(self, name: str) -> Target:
        fqdn = f"{name}.cloud.example"
        user = {cpu: wave(f"{name}/{cpu}", 0.35) for cpu in range(_CPUS)}
        memory = wave(f"{name}/memory", _HOST_MEMORY * 0.5, swing=0.3, ripple=0.1)
        disk = wave(f"{name}/disk", _HOST_DISK * 0.4, swing=0.1, ripple=0.0)
        received = wave(f"{name}/received", 4e6)
        start = self._start
        # All modes together add up to one CPU second per second.
        modes = {"user": 1.0, "system": 0.25, "iowait": 0.02}

        def busy(cpu: int, part: float) -> Callable[[float], float]:
            return lambda time: part * user[cpu].total(start, time)

        def idle(cpu: int) -> Callable[[float], float]:
            return lambda time: (time - start) - sum(modes.values()) * user[cpu].total(start, time)

        def load(smoothing: float) -> Callable[[float], float]:
            return lambda time: (
                _CPUS * (0.35 * (1 - smoothing) + smoothing * sum(user[cpu].at(time) for cpu in user) / _CPUS)
            )

        filesystem = {"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/"}
        cpu_seconds: list[Series] = []
        for cpu in user:
            spent = {mode: busy(cpu, part) for mode, part in modes.items()} | {"idle": idle(cpu)}
            cpu_seconds += [
                Series("node_cpu_seconds_total", {"cpu": str(cpu), "mode": mode}, value)
                for mode, value in spent.items()
            ]
        families = (
            Family("node_cpu_seconds", "counter", "Seconds the CPUs spent in each mode.", tuple(cpu_seconds)),
            _family("node_memory_MemTotal_bytes", "gauge", "Memory.", {}, lambda _: float(_HOST_MEMORY)),
            _family(
                "node_memory_MemAvailable_bytes",
                "gauge",
                "Memory that can be given out.",
                {},
                lambda time: float(round(_HOST_MEMORY - memory.at(time))),
            ),
            _family("node_load1", "gauge", "Load over 1 minute.", {}, load(1.0)),
            _family("node_load5", "gauge", "Load over 5 minutes.", {}, load(0.8)),
            _family("node_load15", "gauge", "Load over 15 minutes.", {}, load(0.5)),
            _family(
                "node_filesystem_size_bytes",
                "gauge",
                "Size of the filesystem.",
                filesystem,
                lambda _: float(_HOST_DISK),
            ),
            _family(
                "node_filesystem_avail_bytes",
                "gauge",
                "Space that ordinary users can write to.",
                filesystem,
                lambda time: float(round(_HOST_DISK - disk.at(time))),
            ),
            _family(
                "node_network_receive_bytes_total",
                "counter",
                "Bytes received.",
                {"device": "eth0"},
                lambda time: float(round(received.total(start, time))),
            ),
            _family("node_boot_time_seconds", "gauge", "When the host was started.", {}, lambda _: start),
        )
        return Target("node", f"/node/{name}", {"instance": f"{name}:9100", "fqdn": fqdn}, families)

    def _instances(self, tenant: Tenant, index: int) -> Iterator[Family]:
        for number, (name, vcpus, memory, disk, mean) in enumerate(_servers(index)):
            host = _HOSTS[(index + number) % len(_HOSTS)]
            resource = _server_id(tenant, name)
            used = wave(resource, mean)
            resident = wave(f"{resource}/memory", memory * 0.5, swing=0.2, ripple=0.1)
            traffic = {way: wave(f"{resource}/{way}", 2e5) for way in ("incoming", "outgoing")}
            transfers = {way: wave(f"{resource}/{way}", 5e5) for way in ("read", "write")}
            libvirt_name = f"instance-{index * len(_SERVERS) + number + 1:08x}"
            common = {
                "project": tenant.project_id,
                "project_name": tenant.name,
                "publisher": "ceilometer",
                "resource": resource,
                "resource_name": f"{name}:{libvirt_name}",
                "server_group": "none",
                "user": tenant.user_id,
                "vm_instance": f"{host}.cloud.example",
            }
            # The names of OpenMetrics counters end in _total, Ceilometer's cumulative meters do not.
            meters: tuple[tuple[str, str, str, Callable[[float], float]], ...] = (
                ("cpu", "unknown", "ns", _nanoseconds(used, self._start, vcpus)),
                ("vcpus", "gauge", "vcpu", _constant(vcpus)),
                ("memory", "gauge", "MB", _constant(memory)),
                ("memory.usage", "gauge", "MB", resident.at),
                ("disk.root.size", "gauge", "GB", _constant(disk)),
                ("disk.ephemeral.size", "gauge", "GB", _constant(0)),
                ("power.state", "gauge", "state", _constant(1)),
                *(
                    (f"network.{way}.bytes", "unknown", "B", _whole(traffic[way], self._start))
                    for way in traffic
                ),
                *(
                    (f"disk.device.{way}.bytes", "unknown", "B", _whole(transfers[way], self._start))
                    for way in transfers
                ),
            )
            for counter, kind, unit, value in meters:
                parts = counter.split(".")
                # Ceilometer's exporter adds a label named like the first part of the meter, whose value is
                # the third part of the meter or the resource.
                labels = {
                    parts[0]: parts[2] if len(parts) > 2 else resource,
                    "counter": counter,
                    "type": parts[1] if len(parts) > 1 else counter,
                    "unit": unit,
                    **common,
                }
                metric = f"ceilometer_{counter.replace('.', '_')}"
                yield _family(metric, kind, f"Meter {counter}.", labels, value)

    def _usage(self, tenants: Sequence[Tenant]) -> tuple[Family, ...]:
        """Return the totals of the usage exporter, whose series have the gateway's label here."""
        created = self._start + _AGE

        def total(sizes: Sequence[int]) -> Callable[[float], float]:
            counted = [(size, created - days * DAY) for size, days in zip(sizes, _USAGE_DAYS, strict=False)]
            return lambda time: sum(size * max(0.0, time - start) for size, start in counted) / 3600

        vcpus: list[Series] = []
        memory: list[Series] = []
        for index, tenant in enumerate(tenants):
            labels = {"project": tenant.project_id, "project_name": tenant.name}
            servers = _servers(index)
            vcpus.append(Series("project_vcpu_usage", labels, total([each[1] for each in servers])))
            memory.append(Series("project_mb_usage", labels, total([each[2] for each in servers])))
        return (
            Family("project_vcpu_usage", "gauge", "vCPU hours.", tuple(vcpus)),
            Family("project_mb_usage", "gauge", "MB hours of memory.", tuple(memory)),
        )

    def _application(self, tenant: Tenant) -> Target:
        resource = _server_id(tenant, "web-0")
        labels = {
            "project": tenant.project_id,
            "project_name": tenant.name,
            "resource": resource,
            "resource_name": "web-0",
        }
        requests = wave(f"{resource}/requests", 12.0)
        name = "http_server_request_duration_seconds"

        def count(time: float) -> float:
            return requests.total(self._start, time)

        def bucket(part: float) -> Callable[[float], float]:
            return lambda time: float(int(count(time) * part))

        series = [
            Series(
                f"{name}_bucket",
                {**labels, "le": bound},
                bucket(part),
                _exemplar(resource) if bound == "0.1" else None,
            )
            for bound, part in _BUCKETS
        ]
        series.append(Series(f"{name}_count", labels, bucket(1.0)))
        series.append(Series(f"{name}_sum", labels, lambda time: int(count(time)) * _MEAN_LATENCY))
        family = Family(name, "histogram", "How long the web server took to answer.", tuple(series))
        instance = {"instance": f"web-0.{tenant.name}:8080"}
        return Target("web", f"/web/{tenant.name}", instance, (family,))


def _family(
    name: str, kind: str, text: str, labels: Mapping[str, str], value: Callable[[float], float]
) -> Family:
    family = name.removesuffix("_total") if kind == "counter" else name
    return Family(family, kind, text, (Series(name, labels, value),))


def _merge(families: Sequence[Family]) -> tuple[Family, ...]:
    """Merge families of the same name: OpenMetrics allows each name once ("Overall Structure")."""
    merged: dict[str, Family] = {}
    for family in families:
        before = merged.get(family.name)
        series = family.series if before is None else before.series + family.series
        merged[family.name] = Family(family.name, family.kind, family.help, series)
    return tuple(merged.values())


def _server_id(tenant: Tenant, server: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant.project_id}/{server}"))


def _servers(index: int) -> tuple[tuple[str, int, int, int, float], ...]:
    """Return the servers of a tenant by its index."""
    return _SERVERS if index == 0 else _SERVERS[:-1]


def _constant(number: float) -> Callable[[float], float]:
    return lambda _: float(number)


def _whole(rate: Wave, start: float) -> Callable[[float], float]:
    return lambda time: float(round(rate.total(start, time)))


def _nanoseconds(used: Wave, start: float, vcpus: int) -> Callable[[float], float]:
    return lambda time: float(round(used.total(start, time) * vcpus * 1e9))


def _exemplar(resource: str) -> Callable[[float], str]:
    def text(time: float) -> str:
        # The exemplar changes every 15 seconds; scrapes in between repeat it, as real exporters do.
        tick = int(time) - int(time) % _EXEMPLAR_SECONDS
        trace = uuid.uuid5(uuid.NAMESPACE_URL, f"{resource}/{tick}").hex
        return f'{{trace_id="{trace}"}} 0.083 {tick}'

    return text
