"""Add up the usage of servers to the totals of projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.usage.records import MB_PER_GIB
from chrysaetos.usage.weights import UNWEIGHTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chrysaetos.usage.records import ServerUsage
    from chrysaetos.usage.weights import Weights

__all__ = ["Key", "SimpleVMProject", "Totals", "tally"]


class Key(NamedTuple):
    """Identifies the project of a total.

    Attributes:
        project_id: id of the project that owns the servers.
        name: name of the project inside a SimpleVM project; None for all other projects.
    """

    project_id: str
    name: str | None = None


class SimpleVMProject(NamedTuple):
    """A project whose servers belong to several projects, named in the servers' metadata.

    Attributes:
        project_id: id of the SimpleVM project.
        names: the project name of each server, by instance id. Other servers belong to the SimpleVM project.
    """

    project_id: str
    names: Mapping[str, str]


class Totals:
    """The totals of a project.

    Attributes:
        vcpu_hours: hours * virtual CPUs * weight.
        mb_hours: hours * MB * weight.
        disk_gb_hours: hours * GB of local disk.
        server_hours: hours.
        servers: number of current servers.
        vcpus: virtual CPUs of the current servers.
        memory_mb: memory of the current servers, in MB.
        disk_gb: local disk of the current servers, in GB.
    """

    __slots__ = (
        *("vcpu_hours", "mb_hours", "disk_gb_hours", "server_hours"),
        *("servers", "vcpus", "memory_mb", "disk_gb"),
    )

    def __init__(self) -> None:
        self.vcpu_hours = self.mb_hours = self.disk_gb_hours = self.server_hours = 0.0
        self.servers = self.vcpus = self.memory_mb = self.disk_gb = 0

    def __add__(self, other: Totals) -> Totals:
        result = Totals()
        for name in self.__slots__:
            setattr(result, name, getattr(self, name) + getattr(other, name))
        return result


def tally(
    usages: Iterable[ServerUsage],
    weights: Weights = UNWEIGHTED,
    *,
    simple_vm: SimpleVMProject | None = None,
    whole_gib: bool = False,
) -> dict[Key, Totals]:
    """Add up usage by project.

    Args:
        usages: the usage of servers; a server occurs once for each window and flavor.
        weights: the weight of an hour.
        simple_vm: the SimpleVM project, if there is one.
        whole_gib: round memory down to whole GiB and use this number instead of MB, also to look up weights,
            as older exporters did.

    Returns:
        The totals of each project with usage.
    """
    sums: dict[Key, Totals] = {}
    keys: dict[str, Key] = {}
    weight_at = weights.at
    for usage in usages:
        project_id = usage.project_id
        if simple_vm is not None and project_id == simple_vm.project_id:
            key = Key(project_id, simple_vm.names.get(usage.instance_id))
        else:
            key = keys.get(project_id) or keys.setdefault(project_id, Key(project_id))
        totals = sums.get(key)
        if totals is None:
            totals = sums[key] = Totals()
        hours = usage.hours
        if hours > 0:
            memory = usage.memory_mb // MB_PER_GIB if whole_gib else usage.memory_mb
            weight = weight_at(usage.started_at)
            totals.vcpu_hours += hours * usage.vcpus * weight.vcpus(usage.vcpus)
            totals.mb_hours += hours * memory * weight.memory_mb(memory)
            totals.disk_gb_hours += hours * usage.disk_gb
            totals.server_hours += hours
        if usage.exists:
            totals.servers += 1
            totals.vcpus += usage.vcpus
            totals.memory_mb += usage.memory_mb
            totals.disk_gb += usage.disk_gb
    return sums
