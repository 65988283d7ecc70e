"""What an exporter looks at: a real cloud or an invented one, behind one small interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from chrysaetos.usage import dummy
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chrysaetos.usage.records import Project, ServerUsage

__all__ = ["Dummy", "Observation", "SimpleVMOption", "Site", "select"]


class SimpleVMOption(NamedTuple):
    """A project that hosts others' servers.

    Attributes:
        project_id: its id.
        tag: the key in a server's metadata that names the project it belongs to.
    """

    project_id: str
    tag: str = "project_name"


class Observation(NamedTuple):
    """What a site says of one window of time.

    Attributes:
        projects: those to export.
        usages: what each server used in the window, of all projects.
        names: instance id → project name, of the servers of the SimpleVM project that say one.
    """

    projects: Sequence[Project]
    usages: Sequence[ServerUsage]
    names: Mapping[str, str]


class Site(Protocol):
    """A site that can be observed.

    Attributes:
        identity: what tells it from other sites; a ledger belongs to one.
        calls: how many API calls were made so far.
    """

    identity: str
    calls: int

    def observe(self, start: float, end: float) -> Observation:
        """What was used between two times, in seconds since the epoch.

        Raises:
            UsageError: if not everything is known: then nothing is.
        """
        ...


def select(projects: Sequence[Project], domains: Sequence[str], domain_id: str | None) -> list[Project]:
    """The projects to export.

    Args:
        projects: all of them.
        domains: names or ids of domains; none for all.
        domain_id: the only domain, if given; it wins over `domains`.
    """
    if domain_id:
        return [project for project in projects if project.domain_id == domain_id]
    if domains:
        wanted = set(domains)
        return [one for one in projects if one.domain_name in wanted or one.domain_id in wanted]
    return list(projects)


class Dummy:
    """A site from a file, which is read again when it has changed.

    Args:
        path: the file.
        domains: see `select`.
        domain_id: see `select`.
        simple_vm: the project that hosts others, if there is one.
    """

    calls = 0

    def __init__(
        self,
        path: Path,
        *,
        domains: Sequence[str] = (),
        domain_id: str | None = None,
        simple_vm: SimpleVMOption | None = None,
    ) -> None:
        self.identity = f"file {path}"
        self._path = path
        self._domains = domains
        self._domain_id = domain_id
        self._simple_vm = simple_vm
        self._read: tuple[tuple[int, int, int], dummy.DummySite] | None = None

    def observe(self, start: float, end: float) -> Observation:
        """See `Site`."""
        site = self._site()
        names = site.names(*self._simple_vm) if self._simple_vm else {}
        projects = select(site.projects, self._domains, self._domain_id)
        return Observation(projects, list(site.usages(start, end)), names)

    def _site(self) -> dummy.DummySite:
        try:
            status = self._path.stat()
        except OSError as error:
            raise UsageError(f"{self._path} cannot be read: {error.strerror}") from error
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._read is None or self._read[0] != version:
            self._read = version, dummy.parse(dummy.load_toml(self._path))
        return self._read[1]
