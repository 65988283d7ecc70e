"""An OpenStack cloud: projects from Keystone, usage from Nova.

Sources: Compute API reference, "Usage reports (os-simple-tenant-usage)" with microversion 2.40 (paging by
instance), and "Servers"; Identity API v3 reference, "Projects" and "Domains".
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from keystoneauth1 import exceptions

from chrysaetos.usage.records import Project, ServerUsage, UsageError, epoch
from chrysaetos.usage.site import Observation, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from keystoneauth1.adapter import Adapter

    from chrysaetos.usage.site import SimpleVMSettings

__all__ = ["PAGING_MICROVERSION", "Cloud", "window"]

_LOG = logging.getLogger(__name__)

PAGING_MICROVERSION = "2.40"
"""The first microversion that pages usage by instance; before it, Nova truncates responses silently."""
_PAGE_SIZE = 1000
"""Instances per page. Nova truncates at the same number unless its ``max_limit`` was changed."""


class Cloud:
    """A site with Keystone and Nova.

    Args:
        identity: Keystone's adapter.
        compute: Nova's adapter.
        name: identifies the cloud and region.
        domains: names or ids of the domains to export; empty for all.
        domain_id: id of the only domain to export; overrides ``domains``.
        simple_vm: the SimpleVM project, if there is one.
        progress: called with the number of servers read so far.
    """

    def __init__(
        self,
        identity: Adapter,
        compute: Adapter,
        *,
        name: str,
        domains: Sequence[str] = (),
        domain_id: str | None = None,
        simple_vm: SimpleVMSettings | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.identity = name
        self.calls = 0
        self._keystone = identity
        self._nova = compute
        self._domains = domains
        self._domain_id = domain_id
        self._simple_vm = simple_vm
        self._progress = progress
        self._paging: bool | None = None
        self._by_project = False

    def observe(self, start: float, end: float) -> Observation:
        """Return projects and usage, see ``Site``.

        Raises:
            UsageError: a request to Keystone or Nova failed, or a response is incomplete.
        """
        projects = self.projects()
        listed = self.usages(start, end, projects)
        names = self._server_projects(self._simple_vm) if self._simple_vm else {}
        usages, duplicates = _once(listed)
        return Observation(projects, usages, names, duplicates)

    def projects(self) -> list[Project]:
        """Return the projects to export, with the names of their domains.

        Raises:
            UsageError: a request to Keystone failed, or a configured domain does not exist.
        """
        domains = {domain["id"]: domain["name"] for domain in self._list("/domains", "domains")}
        if self._domain_id and self._domain_id not in domains:
            raise UsageError(f"there is no domain with the id {self._domain_id}", reason="keystone")
        known = {*domains, *domains.values()}
        missing = [domain for domain in self._domains if domain not in known]
        if missing and not self._domain_id:
            raise UsageError(f"there is no domain {', '.join(missing)}", reason="keystone")
        projects = {
            entry["id"]: Project(
                entry["id"], entry["name"], entry["domain_id"], domains.get(entry["domain_id"], "")
            )
            for entry in self._list("/projects", "projects")
        }
        return select(list(projects.values()), self._domains, self._domain_id)

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        document = self._get(self._keystone, "keystone", path, {})
        entries = document.get(name)
        if not isinstance(entries, list):
            raise UsageError(f"Keystone's response to GET {path} has no {name}", reason="keystone")
        if document.get("truncated"):
            raise UsageError(
                f"Keystone truncates the list of {name}: raise [DEFAULT] list_limit in keystone.conf",
                reason="truncated",
            )
        return entries

    def usages(self, start: float, end: float, projects: Sequence[Project]) -> list[ServerUsage]:
        """Return the usage that Nova lists between two times, in seconds since the epoch.

        Raises:
            UsageError: a request to Nova failed, or a response is incomplete.
        """
        if self._paging is None:
            self._paging = self._supports_paging()
        if not self._by_project and self._paging:
            try:
                return self._usages(
                    "/os-simple-tenant-usage", "tenant_usages", {**window(start, end), "detailed": "1"}
                )
            except _Forbidden:
                _LOG.warning("Nova forbids listing the usage of all projects; requesting each project")
                self._by_project = True
        usages: list[ServerUsage] = []
        for project in projects:
            usages += self._usages(
                f"/os-simple-tenant-usage/{project.id}", "tenant_usage", window(start, end)
            )
        return usages

    def _supports_paging(self) -> bool:
        """Return whether Nova pages usage.

        Raises:
            UsageError: Nova's version document cannot be read now, so that nothing is known.
        """
        try:
            data = self._nova.get_endpoint_data()
            if data is not None and data.max_microversion is None:
                # keystoneauth returns the catalog's URL alone if discovery fails; this says why.
                data = data.get_versioned_data(
                    self._nova.session, discover_versions=True, allow_version_hack=False
                )
        except exceptions.ClientException as error:
            raise UsageError(f"Nova's version document cannot be read: {error}", reason="nova") from error
        highest = getattr(data, "max_microversion", None)
        supported = highest is not None and tuple(highest) >= (2, 40)
        if not supported:
            _LOG.warning(
                "Nova does not support microversion %s; requesting the usage of each project",
                PAGING_MICROVERSION,
            )
        return supported

    def _usages(self, path: str, name: str, query: dict[str, str]) -> list[ServerUsage]:
        usages: list[ServerUsage] = []
        for page in self._pages(path, name, query):
            content = page[name]
            tenants = content if isinstance(content, list) else [content] if content else []
            before = len(usages)
            for tenant in tenants:
                usages += map(_server_usage, tenant["server_usages"])
            if not self._paging and len(usages) - before >= _PAGE_SIZE:
                raise UsageError(
                    f"Nova truncated the response to GET {path} at {len(usages) - before} servers, and does "
                    f"not support microversion {PAGING_MICROVERSION} to request the rest",
                    reason="truncated",
                )
            if self._progress:
                self._progress(len(usages))
        return usages

    def _server_projects(self, simple_vm: SimpleVMSettings) -> dict[str, str]:
        """Return the project names in the metadata of the SimpleVM project's servers, by instance id."""
        query = {"all_tenants": "1", "project_id": simple_vm.project_id}
        names = {}
        for page in self._pages("/servers/detail", "servers", query):
            for server in page["servers"]:
                name = server.get("metadata", {}).get(simple_vm.tag)
                if name:
                    names[server["id"]] = name
        return names

    def _pages(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Yield all pages of a list. While the caller processes a page, the next page is fetched."""

        def fetch(query: dict[str, str]) -> tuple[dict[str, Any], str | None]:
            microversion = PAGING_MICROVERSION if self._paging else None
            page = self._get(self._nova, "nova", path, query, microversion=microversion)
            if name not in page:
                raise UsageError(f"Nova's response to GET {path} has no {name}", reason="nova")
            links = page.get(f"{name}_links", ())
            return page, _marker(next((link["href"] for link in links if link.get("rel") == "next"), None))

        if self._paging:
            query = {**query, "limit": str(_PAGE_SIZE)}
        seen: set[str] = set()
        with ThreadPoolExecutor(1) as background:
            pending = background.submit(fetch, query)
            while True:
                page, marker = pending.result()
                if marker is None:
                    yield page
                    return
                if marker in seen:
                    raise UsageError(
                        f"Nova returned the same next page of GET {path} twice", reason="truncated"
                    )
                seen.add(marker)
                pending = background.submit(fetch, {**query, "marker": marker})
                yield page

    def _get(
        self, adapter: Adapter, service: str, path: str, query: dict[str, str], **options: Any
    ) -> dict[str, Any]:
        self.calls += 1
        request = f"{service.capitalize()}, GET {path}"
        try:
            document = adapter.get(path, params=query, **options).json()
        except exceptions.Forbidden as error:
            raise _Forbidden(f"{request}: forbidden: {error.message}", reason="forbidden") from error
        except exceptions.ClientException as error:
            raise UsageError(f"{request}: {error}", reason=service) from error
        except ValueError as error:
            raise UsageError(f"{request}: the response is not JSON", reason=service) from error
        if not isinstance(document, dict):
            raise UsageError(f"{request}: the response is not a JSON object", reason=service)
        return document


class _Forbidden(UsageError):
    """The credentials do not allow the request."""


def _marker(href: str | None) -> str | None:
    """Return the marker in a link to the next page.

    The rest of the link is ignored: if Nova runs behind a proxy, the link's host may be unreachable.
    """
    if href is None:
        return None
    marker = dict(parse_qsl(urlsplit(href).query)).get("marker")
    if not marker:
        raise UsageError(f"the link to Nova's next page has no marker: {href}", reason="truncated")
    return marker


def _once(listed: Sequence[ServerUsage]) -> tuple[list[ServerUsage], list[str]]:
    """Return the usage of each server once, and the ids of the servers that are listed more than once.

    If the records of a server differ, the one with the most hours counts: a record of the same server in
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


def window(start: float, end: float) -> dict[str, str]:
    """Return the query parameters of a time window, given in seconds since the epoch."""
    return {
        name: datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        for name, moment in (("start", start), ("end", end))
    }


def _server_usage(entry: dict[str, Any]) -> ServerUsage:
    try:
        return ServerUsage(
            entry["instance_id"],
            entry["tenant_id"],
            entry["vcpus"],
            entry["memory_mb"],
            entry["local_gb"],
            entry["hours"],
            epoch(entry["started_at"]),
            entry["ended_at"] is None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"Nova returned invalid usage of a server ({error!r}): {entry!r}", reason="nova"
        ) from error
