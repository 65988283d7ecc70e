"""The interface of sites, and the site with sample data.

``cloud`` has the servers of an OpenStack site, and ``resources`` its volumes and floating IPs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from chrysaetos.usage import dummy
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chrysaetos.usage.records import Project, ServerUsage

__all__ = ["DummySite", "Observation", "SimpleVMSettings", "Site", "deduplicate", "select"]


class SimpleVMSettings(NamedTuple):
    """The settings of a SimpleVM project, whose servers belong to several projects.

    Attributes:
        project_id: id of the SimpleVM project.
        tag: metadata key that contains the name of the project to which a server belongs.
    """

    project_id: str
    tag: str = "project_name"


class Observation(NamedTuple):
    """The state of a site and its usage in a time window.

    Attributes:
        projects: the projects to export.
        usages: the usage of the servers, volumes or floating IPs of all projects.
        names: the project names of the SimpleVM project's servers, by instance id.
        duplicates: ids of the objects that the site listed more than once; each is in ``usages`` once.
    """

    projects: Sequence[Project]
    usages: Sequence[ServerUsage]
    names: Mapping[str, str]
    duplicates: Sequence[str] = ()


class Site(Protocol):
    """A source of projects and usage.

    Attributes:
        identity: identifies the site; a ledger belongs to one site.
        objects: what has the usage, such as servers.
        has_history: whether deleted objects are still observed in windows in which they existed.
    """

    identity: str
    objects: str
    has_history: bool

    @property
    def calls(self) -> int:
        """Number of API calls so far."""
        ...

    def observe(self, start: float, end: float) -> Observation:
        """Return the usage between two times, in seconds since the epoch.

        Raises:
            UsageError: the usage cannot be determined completely.
        """
        ...


def select(projects: Sequence[Project], domains: Sequence[str], domain_id: str | None) -> list[Project]:
    """Return the projects to export.

    Args:
        projects: all projects.
        domains: names or ids of the domains to export; empty for all.
        domain_id: id of the only domain to export; overrides ``domains``.
    """
    if domain_id:
        return [project for project in projects if project.domain_id == domain_id]
    if domains:
        return [project for project in projects if {project.domain_name, project.domain_id} & set(domains)]
    return list(projects)


def deduplicate(listed: Sequence[ServerUsage]) -> tuple[list[ServerUsage], list[str]]:
    """Return the usage of each object once, and the ids of the objects that are listed more than once.

    If the records of an object differ, the one with the most hours counts: a record of the same server in
    another cell, of a failed launch, has fewer.
    """
    usages: dict[str, ServerUsage] = {}
    duplicates: set[str] = set()
    for usage in listed:
        other = usages.get(usage.instance_id)
        if other is not None:
            duplicates.add(usage.instance_id)
        if other is None or (usage.hours, usage.exists) > (other.hours, other.exists):
            usages[usage.instance_id] = usage
    return list(usages.values()), sorted(duplicates)


class DummySite:
    """A site with sample data from a file, which is reloaded when it changes.

    Args:
        path: the file.
        domains: see ``select``.
        domain_id: see ``select``.
        simple_vm: the SimpleVM project, if there is one.
    """

    objects = "servers"
    has_history = True
    calls = 0

    def __init__(
        self,
        path: Path,
        *,
        domains: Sequence[str] = (),
        domain_id: str | None = None,
        simple_vm: SimpleVMSettings | None = None,
    ) -> None:
        self.identity = f"file {path}"
        self._path = path
        self._domains = domains
        self._domain_id = domain_id
        self._simple_vm = simple_vm
        self._loaded: tuple[tuple[int, int, int], dummy.DummyData] | None = None

    def observe(self, start: float, end: float) -> Observation:
        """Return projects and usage, see ``Site``."""
        data = self._data()
        names = data.names(*self._simple_vm) if self._simple_vm else {}
        projects = select(data.projects, self._domains, self._domain_id)
        return Observation(projects, list(data.usages(start, end)), names)

    def _data(self) -> dummy.DummyData:
        try:
            status = self._path.stat()
        except OSError as error:
            raise UsageError(f"{self._path} cannot be read: {error.strerror}") from error
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._loaded is None or self._loaded[0] != version:
            self._loaded = version, dummy.parse(dummy.load_toml(self._path))
        return self._loaded[1]
