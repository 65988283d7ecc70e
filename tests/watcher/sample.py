"""A generated cloud: metrics of hosts and instances, scrape targets, a topology for Watcher's emulators.

It depends only on the two sizes, so every process generates the same cloud. Counters grow evenly, so a rate
is the same at any time.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chrysaetos.client import MetricsClient
from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.demo.prometheus import Prometheus

__all__ = ["Host", "Instance", "SampleCloud", "wait_for_targets"]

_STEP = 60
_HISTORY = 8000
"""Seconds of samples before now; the longest period of a strategy is two hours."""
_FUTURE = 2400
_CPUS = ("0", "1")
_GIB = 1024**3
_MIB = 1024**2
_HOST_VCPUS, _HOST_MEMORY, _HOST_DISK = 48, 196608, 4000
_SIZES = ((1, 2048, 10), (2, 4096, 20), (4, 8192, 40))


@dataclass(frozen=True, slots=True)
class Host:
    """A hypervisor.

    Attributes:
        name: the full name, which is the value of the label ``fqdn``.
        uuid: the id in Nova and Placement.
        share: the host's weight in the distribution of instances.
    """

    name: str
    uuid: str
    share: int


@dataclass(frozen=True, slots=True)
class Instance:
    """A server.

    Attributes:
        uuid: the id, which is the value of the label ``resource``.
        host: the instance's host.
        vcpus, memory, disk: the flavor; memory in MiB, disk in GiB.
        cpu: used percent of the vCPUs.
        ram: used memory in MiB.
    """

    uuid: str
    host: Host
    vcpus: int
    memory: int
    disk: int
    cpu: float
    ram: int


class SampleCloud:
    """A cloud with hosts from busy to idle.

    Args:
        hosts: the number of hosts.
        instances: the number of instances.
    """

    def __init__(self, hosts: int, instances: int) -> None:
        self.hosts = tuple(
            Host(f"compute-{number:03}.cloud.example", self._id(f"host {number}"), 3 - number % 3)
            for number in range(hosts)
        )
        places = [host for host in self.hosts for _ in range(host.share)]
        self.instances = tuple(
            self._instance(number, places[number % len(places)]) for number in range(instances)
        )

    @staticmethod
    def _id(name: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://cloud.example/{name}"))

    def _instance(self, number: int, host: Host) -> Instance:
        vcpus, memory, disk = _SIZES[number % len(_SIZES)]
        # Higher on hosts with many instances; never equal, so that no strategy has to break a tie.
        cpu = 12.0 + 22 * (host.share - 1) + (number * 7919 % 1009) / 40 + number / 1e4
        return Instance(
            self._id(f"instance {number}"), host, vcpus, memory, disk, cpu, memory * (30 + number % 47) // 100
        )

    @cached_property
    def on_host(self) -> dict[str, list[Instance]]:
        """The instances by host name."""
        found: dict[str, list[Instance]] = {host.name: [] for host in self.hosts}
        for instance in self.instances:
            found[instance.host.name].append(instance)
        return found

    def host_cpu(self, host: Host) -> float:
        """Return the used percent of a host's CPUs, by its instances and itself."""
        used = sum(one.vcpus * one.cpu / 100 for one in self.on_host[host.name])
        return 2 + min(95.0, 100 * used / _HOST_VCPUS)

    def host_free(self, host: Host) -> int:
        """Return the free bytes of a host's memory."""
        return (_HOST_MEMORY * _MIB) - 4 * _GIB - sum(one.ram * _MIB for one in self.on_host[host.name])

    def text(self, now: int, *, without: Sequence[str] = ()) -> Iterator[str]:
        """Yield the metrics as OpenMetrics text, from about two hours before to forty minutes after now.

        Args:
            now: seconds since the epoch.
            without: names of hosts and ids of instances to leave out.
        """
        times = range((now - _HISTORY) // _STEP * _STEP, now + _FUTURE, _STEP)
        hosts = [host for host in self.hosts if host.name not in without]
        instances = [one for one in self.instances if one.uuid not in without]
        for one in instances:
            labels = f'{{project="p",resource="{one.uuid}",job="ceilometer"}}'
            slope = int(one.cpu / 100 * one.vcpus * 1e9)
            yield "".join(f"ceilometer_cpu{labels} {slope * (at - times[0])} {at}\n" for at in times)
        for one in instances:
            labels = f'{{project="p",resource="{one.uuid}",job="ceilometer"}}'
            yield "".join(f"ceilometer_memory_usage{labels} {one.ram} {at}\n" for at in times)
        for host in hosts:
            idle = 1 - self.host_cpu(host) / 100
            for cpu in _CPUS:
                labels = f'{{fqdn="{host.name}",cpu="{cpu}",mode="idle",job="node"}}'
                yield "".join(
                    f"node_cpu_seconds_total{labels} {idle * (at - times[0])} {at}\n" for at in times
                )
        for name, value in (
            ("node_memory_MemAvailable_bytes", self.host_free),
            ("node_memory_MemTotal_bytes", lambda _: _HOST_MEMORY * _MIB),
        ):
            for host in hosts:
                labels = f'{{fqdn="{host.name}",job="node"}}'
                yield "".join(f"{name}{labels} {value(host)} {at}\n" for at in times)
        yield "# EOF\n"

    def scrape_configs(self, *, without: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return a scrape configuration with a target, which is down, for each host."""
        targets = [
            {"targets": [f"127.0.0.1:{number + 1}"], "labels": {"fqdn": host.name}}
            for number, host in enumerate(self.hosts)
            if host.name not in without
        ]
        return [{"job_name": "node", "scrape_interval": "1h", "static_configs": targets}]

    def topology(self) -> dict[str, Any]:
        """Return the topology that Watcher's Nova and Placement emulators read."""
        return {
            "compute_nodes": [
                {
                    "uuid": host.uuid,
                    "hostname": host.name,
                    "vcpus": _HOST_VCPUS,
                    "memory": _HOST_MEMORY,
                    "disk": _HOST_DISK,
                    "state": "up",
                    "status": "enabled",
                }
                for host in self.hosts
            ],
            "instances": [
                {
                    "uuid": one.uuid,
                    "name": f"vm-{number}",
                    "host": one.host.name,
                    "vcpus": one.vcpus,
                    "memory": one.memory,
                    "disk": one.disk,
                    "state": "active",
                    "project_id": "aaaaaaaa-1111-2222-3333-444444444444",
                }
                for number, one in enumerate(self.instances)
            ],
            "aggregates": [],
        }


def wait_for_targets(server: Prometheus, number: int) -> None:
    """Wait until Prometheus has found its targets, some seconds after its start."""
    client = MetricsClient.direct(server.url)
    assert wait_for(lambda: len(client.targets("active")["activeTargets"]) == number, timeout=60)
    client.close()
