"""The volumes and floating IPs of a site, from the lists of Cinder and Neutron.

Unlike Nova, these services report no usage of the past: a deleted volume or floating IP is missing in the
list, and nothing shows when it was deleted. An object that is listed has existed since it was created, so it
is counted up to this time. An object that was deleted is counted up to the last list that has it.

Sources: Block Storage API v3 reference, "Volumes" and "Quota sets extension"; Networking API v2.0 reference,
"Floating IPs" and "Quotas extension".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chrysaetos.usage.api import PAGE_SIZE, ForbiddenError
from chrysaetos.usage.records import ServerUsage, UsageError, epoch
from chrysaetos.usage.site import Observation, deduplicate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.usage.api import Service
    from chrysaetos.usage.projects import Projects
    from chrysaetos.usage.records import Project

__all__ = ["FLOATING_IPS", "VOLUMES", "ListedSite", "Listing"]


@dataclass(frozen=True, slots=True)
class Listing:
    """How a service lists objects.

    Attributes:
        objects: the name of the objects.
        path: the path of the list.
        key: the name of the list in a page.
        all_projects: the parameters by which an administrator gets the objects of all projects.
        project_key: the name under which an object has the id of its project.
        size_key: the name under which an object has its size in GiB, if it has one.
        quota_path: the path of a project's quota. Only an administrator may read that of another project.
    """

    objects: str
    path: str
    key: str
    all_projects: dict[str, str]
    project_key: str
    size_key: str | None
    quota_path: str


VOLUMES = Listing(
    "volumes",
    "/volumes/detail",
    "volumes",
    {"all_tenants": "1"},
    "os-vol-tenant-attr:tenant_id",
    "size",
    "/os-quota-sets/{}",
)
FLOATING_IPS = Listing("floating IPs", "/floatingips", "floatingips", {}, "project_id", None, "/quotas/{}")
_MIGRATION = "os-vol-mig-status-attr:migstat"
"""What administrators see of a volume's migration. Its temporary copy is a volume with ``target:…``."""


class ListedSite:
    """The objects of a kind, as a ``Site``.

    Args:
        projects: the projects to export.
        service: the service that lists the objects.
        listing: how it lists them.
        name: identifies the cloud and region.
    """

    has_history = False

    def __init__(self, projects: Projects, service: Service, listing: Listing, *, name: str) -> None:
        self.identity = name
        self.objects = listing.objects
        self._projects = projects
        self._service = service
        self._listing = listing

    @property
    def calls(self) -> int:
        """Number of API calls so far."""
        return self._projects.calls + self._service.calls

    def observe(self, start: float, end: float) -> Observation:
        """Return projects and usage, see ``Site``.

        Raises:
            UsageError: a request failed, a response is incomplete, or the credentials do not show the
                objects of all projects.
        """
        projects = self._projects.list()
        own = None if self._projects.all else projects[0].id
        query = {"limit": str(PAGE_SIZE)}
        if own is None:
            self._check_access(projects)
            query |= self._listing.all_projects
        usages, duplicates = deduplicate(
            [usage for usage in self._usages(query, own, start, end) if own in (None, usage.project_id)]
        )
        return Observation(projects, usages, {}, duplicates)

    def check(self) -> None:
        """Check that the credentials show the objects that ``observe`` counts.

        Raises:
            UsageError: they do not.
        """
        if self._projects.all:
            self._check_access(self._projects.list())
        self._service.get(self._listing.path, {"limit": "1"})

    def _check_access(self, projects: Sequence[Project]) -> None:
        """Check that the list is that of all projects: the services shorten it without an error.

        Raises:
            UsageError: it is not, or this cannot be determined.
        """
        own = self._service.own_project_id()
        other = next((project.id for project in projects if project.id != own), None)
        if other is None:
            return
        try:
            self._service.get(self._listing.quota_path.format(other), {})
        except ForbiddenError as error:
            raise UsageError(
                f"{self._service.title} lists the {self.objects} of other projects only for "
                "administrators: give credentials with the role admin, or --own-project",
                reason="forbidden",
            ) from error

    def _usages(
        self, query: dict[str, str], own: str | None, start: float, end: float
    ) -> Iterator[ServerUsage]:
        listing = self._listing
        for page in self._service.pages(listing.path, listing.key, query):
            for entry in page[listing.key]:
                if not str(entry.get(_MIGRATION)).startswith("target:"):
                    yield self._usage(entry, own, start, end)

    def _usage(self, entry: dict[str, Any], own: str | None, start: float, end: float) -> ServerUsage:
        """Return the usage of an object: it exists, and has existed since it was created."""
        listing = self._listing
        try:
            key = listing.project_key
            project_id = entry[key] if own is None else entry.get(key, own)
            created_at = epoch(entry["created_at"])
            size = entry[listing.size_key] if listing.size_key else 0
            hours = max(0.0, end - max(start, created_at)) / 3600
            return ServerUsage(entry["id"], project_id, 0, 0, size, hours, created_at, exists=True)
        except (KeyError, TypeError, ValueError) as error:
            raise self._service.error(
                f"{self._service.title} returned invalid {self.objects} ({error!r}): {entry!r}"
            ) from error
