"""An OpenStack cloud: the usage of servers, from Nova.

Source: Compute API reference, "Usage reports (os-simple-tenant-usage)" with microversion 2.40 (paging by
instance), and "Servers".
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chrysaetos.usage.api import PAGE_SIZE, ForbiddenError
from chrysaetos.usage.records import ServerUsage, UsageError, epoch
from chrysaetos.usage.site import Observation, deduplicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chrysaetos.usage.api import Service
    from chrysaetos.usage.projects import Projects
    from chrysaetos.usage.records import Project
    from chrysaetos.usage.site import SimpleVMSettings

__all__ = ["PAGING_MICROVERSION", "Cloud", "window"]

_LOG = logging.getLogger(__name__)

PAGING_MICROVERSION = "2.40"
"""The first microversion that pages usage by instance; before it, Nova truncates responses silently."""


class Cloud:
    """The servers of a site.

    Args:
        projects: the projects to export.
        nova: Nova.
        name: identifies the cloud and region.
        simple_vm: the SimpleVM project, if there is one.
        progress: called with the number of servers read so far in a window, and with None at its end.
    """

    objects = "servers"
    has_history = True

    def __init__(
        self,
        projects: Projects,
        nova: Service,
        *,
        name: str,
        simple_vm: SimpleVMSettings | None = None,
        progress: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self.identity = name
        self._projects = projects
        self._nova = nova
        self._simple_vm = simple_vm
        self._progress = progress
        self._paging: bool | None = None
        self._forbidden = False

    @property
    def calls(self) -> int:
        """Number of API calls so far."""
        return self._projects.calls + self._nova.calls

    def observe(self, start: float, end: float) -> Observation:
        """Return projects and usage, see ``Site``.

        Raises:
            UsageError: a request to Keystone or Nova failed, or a response is incomplete.
        """
        projects = self._projects.list()
        try:
            listed = self.usages(start, end, projects)
        finally:
            self._progress(None)
        names = self._server_projects(self._simple_vm) if self._simple_vm else {}
        usages, duplicates = deduplicate(listed)
        return Observation(projects, usages, names, duplicates)

    def usages(self, start: float, end: float, projects: Sequence[Project]) -> list[ServerUsage]:
        """Return the usage that Nova lists between two times, in seconds since the epoch.

        Raises:
            UsageError: a request to Nova failed, or a response is incomplete.
        """
        if self._paging is None:
            self._paging = self._supports_paging()
        if self._projects.all and self._paging:
            query = {**window(start, end), "detailed": "1"}
            try:
                usages = self._usages("/os-simple-tenant-usage", "tenant_usages", query)
            except ForbiddenError:
                if not self._forbidden:
                    _LOG.warning("Nova forbids listing the usage of all projects; requesting each project")
                self._forbidden = True
            else:
                self._forbidden = False
                return usages
        usages = []
        for project in projects:
            path = f"/os-simple-tenant-usage/{project.id}"
            usages += self._usages(path, "tenant_usage", window(start, end), read=len(usages))
        return usages

    def _supports_paging(self) -> bool:
        """Return whether Nova pages usage.

        Raises:
            UsageError: Nova's version document cannot be read now, so that nothing is known.
        """
        highest = self._nova.max_microversion()
        supported = highest is not None and highest >= (2, 40)
        if not supported:
            _LOG.warning(
                "Nova does not support microversion %s; requesting the usage of each project",
                PAGING_MICROVERSION,
            )
        return supported

    def _usages(self, path: str, name: str, query: dict[str, str], read: int = 0) -> list[ServerUsage]:
        """Return the usage on all pages. ``read`` is the number of servers read before."""
        usages: list[ServerUsage] = []
        for page in self._pages(path, name, query):
            content = page[name]
            tenants = content if isinstance(content, list) else [content] if content else []
            before = len(usages)
            for tenant in tenants:
                usages += _server_usages(tenant)
            if not self._paging and len(usages) - before >= PAGE_SIZE:
                raise UsageError(
                    f"Nova truncated the response to GET {path} at {len(usages) - before} servers, and does "
                    f"not support microversion {PAGING_MICROVERSION} to request the rest",
                    reason="truncated",
                )
            self._progress(read + len(usages))
        return usages

    def _server_projects(self, simple_vm: SimpleVMSettings) -> dict[str, str]:
        """Return the project names in the metadata of the SimpleVM project's servers, by instance id."""
        query = {"project_id": simple_vm.project_id} | ({"all_tenants": "1"} if self._projects.all else {})
        names = {}
        for page in self._pages("/servers/detail", "servers", query):
            for server in page["servers"]:
                name = server.get("metadata", {}).get(simple_vm.tag)
                if name:
                    names[server["id"]] = name
        return names

    def _pages(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        if not self._paging:
            return self._nova.pages(path, name, query)
        query = {**query, "limit": str(PAGE_SIZE)}
        return self._nova.pages(path, name, query, microversion=PAGING_MICROVERSION)


def window(start: float, end: float) -> dict[str, str]:
    """Return the query parameters of a time window, given in seconds since the epoch."""
    return {
        name: datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        for name, moment in (("start", start), ("end", end))
    }


def _server_usages(tenant: dict[str, Any]) -> list[ServerUsage]:
    """Return the usage of a tenant's servers.

    Raises:
        UsageError: the response is invalid.
    """
    try:
        entries = tenant["server_usages"]
    except (KeyError, TypeError) as error:
        raise UsageError(f"Nova returned usage without servers: {tenant!r:.200}", reason="nova") from error
    return [_server_usage(entry) for entry in entries]


def _server_usage(entry: dict[str, Any]) -> ServerUsage:
    try:
        return ServerUsage(
            entry["instance_id"],
            entry["tenant_id"],
            int(entry["vcpus"]),
            int(entry["memory_mb"]),
            int(entry["local_gb"]),
            float(entry["hours"]),
            epoch(entry["started_at"]),
            entry["ended_at"] is None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"Nova returned invalid usage of a server ({error!r}): {entry!r}", reason="nova"
        ) from error
