"""Sample data from a TOML file: domains, projects and machines with the times at which they exist.

    [default]                          # the domain's name
    domain_id = "default"
    [[default.projects]]
    project_name = "one"
    project_id = "1"
    machines = [{cpus = 2, ram = 8, existence = true, instance_id = "a"}]

``ram`` is in GiB. ``existence`` is true (since the start date), false (never), a date-time (since that time)
or a list of two date-times (between them). A time without a zone is UTC. The defaults of a machine are 4
CPUs, 8 GiB and ``existence = true``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from chrysaetos.numeric import is_number
from chrysaetos.regular_file import read_toml
from chrysaetos.usage.records import MB_PER_GIB, Project, ServerUsage, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["DummyData", "load_toml", "parse"]

_UNKNOWN = "UNKNOWN"


class _Machine(NamedTuple):
    """A machine. ``start`` is None if it exists since the start date, ``end`` is None if it still exists."""

    instance_id: str
    project_id: str
    vcpus: int
    memory_mb: int
    start: float | None
    end: float | None
    tags: Mapping[str, str]


class DummyData(NamedTuple):
    """The content of a file.

    Attributes:
        projects: the projects, in the file's order.
        machines: the machines of all projects, without those that never exist.
    """

    projects: tuple[Project, ...]
    machines: tuple[_Machine, ...]

    def usages(self, start: float, end: float) -> Iterator[ServerUsage]:
        """Yield the usage of each machine between two times, in seconds since the epoch."""
        for machine in self.machines:
            started_at = start if machine.start is None else machine.start
            until = end if machine.end is None else min(machine.end, end)
            seconds = until - max(started_at, start)
            if seconds > 0:
                yield ServerUsage(
                    machine.instance_id,
                    machine.project_id,
                    machine.vcpus,
                    machine.memory_mb,
                    0,
                    seconds / 3600,
                    started_at,
                    machine.end is None or machine.end > end,
                )

    def names(self, project_id: str, tag: str) -> dict[str, str]:
        """Return the values of a metadata tag of a project's machines, by instance id."""
        return {
            machine.instance_id: machine.tags[tag]
            for machine in self.machines
            if machine.project_id == project_id and tag in machine.tags
        }


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        UsageError: the file cannot be read or is not TOML.
    """
    try:
        return read_toml(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error


def parse(document: Mapping[str, Any]) -> DummyData:
    """Parse the content of a TOML file.

    Raises:
        UsageError: the content is invalid; the message names the domain, project and machine.
    """
    projects: list[Project] = []
    machines: list[_Machine] = []
    for domain_name, domain in document.items():
        if not isinstance(domain, dict):
            raise UsageError(f"{domain_name} is not a domain: write [{domain_name}], then domain_id = …")
        domain_id = str(domain.get("domain_id", _UNKNOWN))
        for entry in _tables(domain, "projects", f"domain {domain_name}"):
            project = Project(
                id=str(entry.get("project_id", _UNKNOWN)),
                name=str(entry.get("project_name", _UNKNOWN)),
                domain_id=domain_id,
                domain_name=domain_name,
            )
            projects.append(project)
            where = f"project {project.name} of domain {domain_name}"
            for number, machine in enumerate(_tables(entry, "machines", where), 1):
                parsed = _machine(machine, project.id, number, where)
                if parsed is not None:
                    machines.append(parsed)
    return DummyData(tuple(projects), tuple(machines))


def _tables(parent: Mapping[str, Any], name: str, where: str) -> Sequence[Mapping[str, Any]]:
    tables = parent.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{where}: {name} is not a list of tables")
    return tables


def _machine(entry: Mapping[str, Any], project_id: str, number: int, where: str) -> _Machine | None:
    where = f"{where}, machine {number}"
    sizes = []
    for name, default in (("cpus", 4), ("ram", 8)):
        size = entry.get(name, default)
        if not is_number(size) or size <= 0:
            raise UsageError(f"{where}: {name} is {size!r}, not a number above 0")
        sizes.append(size)
    times = _existence(entry.get("existence", True), where)
    if times is None:
        return None
    tags = entry.get("metadata", {})
    if not isinstance(tags, dict):
        raise UsageError(f"{where}: metadata is not a table")
    return _Machine(
        # Machines without an id need distinct ids to be counted separately.
        instance_id=str(entry.get("instance_id", f"{project_id}/{number}")),
        project_id=project_id,
        vcpus=int(sizes[0]),
        memory_mb=int(sizes[1] * MB_PER_GIB),
        start=times[0],
        end=times[1],
        tags={str(name): str(value) for name, value in tags.items()},
    )


def _existence(value: object, where: str) -> tuple[float | None, float | None] | None:
    """Return start and end of a machine, in seconds since the epoch; None if it never exists."""
    if value is True:
        return None, None
    if value is False:
        return None
    if isinstance(value, list) and len(value) == 2:
        start, end = (_timestamp(time, where) for time in value)
        if start > end:
            raise UsageError(f"{where}: existence ends before it starts")
        return start, end
    return _timestamp(value, where), None


def _timestamp(value: object, where: str) -> float:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise UsageError(f"{where}: existence is {value!r}, expected true, false, a date-time or two of them")
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
