"""From what servers used to what projects used: the sums that are exported."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.usage.weights import UNWEIGHTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chrysaetos.usage.records import ServerUsage
    from chrysaetos.usage.weights import Weights

__all__ = ["Key", "SimpleVM", "Totals", "tally"]

_MB_PER_GIB = 1024


class Key(NamedTuple):
    """Whose sum it is.

    Attributes:
        project_id: the project that owns the servers.
        name: the name of the project within a SimpleVM project; None elsewhere: the project's own.
    """

    project_id: str
    name: str | None = None


class SimpleVM(NamedTuple):
    """A project whose servers belong to projects of their own, by a tag in the server's metadata.

    Attributes:
        project_id: the project that hosts them.
        names: instance id → name of the project it belongs to; the hosting project keeps a server without.
    """

    project_id: str
    names: Mapping[str, str]


class Totals:
    """Sums of one project.

    Attributes:
        vcpu_hours: hours * virtual CPUs * weight.
        mb_hours: hours * MB * weight.
        disk_gb_hours: hours * GB of local disk.
        server_hours: hours.
        servers: how many servers there are now.
        vcpus: their virtual CPUs.
        memory_mb: their memory, in MB.
    """

    __slots__ = ("disk_gb_hours", "mb_hours", "memory_mb", "server_hours", "servers", "vcpu_hours", "vcpus")

    def __init__(self) -> None:
        self.vcpu_hours = self.mb_hours = self.disk_gb_hours = self.server_hours = 0.0
        self.servers = self.vcpus = self.memory_mb = 0

    def __add__(self, other: Totals) -> Totals:
        result = Totals()
        for name in self.__slots__:
            setattr(result, name, getattr(self, name) + getattr(other, name))
        return result


def tally(
    usages: Iterable[ServerUsage],
    weights: Weights = UNWEIGHTED,
    *,
    simple_vm: SimpleVM | None = None,
    whole_gib: bool = False,
) -> dict[Key, Totals]:
    """Sum up by project.

    Args:
        usages: what servers used; a server may occur several times, once for each window or flavor.
        weights: what an hour counts.
        simple_vm: the project that hosts others, if there is one.
        whole_gib: cut memory to whole GiB, compare that with the weights' MB and count GiB for MB: the totals
            of exporters that did so.

    Returns:
        The sums of each project that has any.
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
            memory = usage.memory_mb // _MB_PER_GIB if whole_gib else usage.memory_mb
            weight = weight_at(usage.started_at)
            totals.vcpu_hours += hours * usage.vcpus * weight.vcpus(usage.vcpus)
            totals.mb_hours += hours * memory * weight.memory_mb(memory)
            totals.disk_gb_hours += hours * usage.disk_gb
            totals.server_hours += hours
        if usage.exists:
            totals.servers += 1
            totals.vcpus += usage.vcpus
            totals.memory_mb += usage.memory_mb
    return sums
