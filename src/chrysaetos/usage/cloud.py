"""A real cloud: projects from Keystone, use from Nova.

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

    from chrysaetos.usage.site import SimpleVMOption

__all__ = ["PAGED", "Cloud", "window"]

_log = logging.getLogger(__name__)

PAGED = "2.40"
"""The microversion from which usage is paged by instance; before it, an answer is cut without a word."""
_PAGE = 1000
"""Instances asked for in one page; also where Nova cuts unless its `max_limit` was changed."""


class Cloud:
    """A site behind Keystone and Nova.

    Args:
        identity: Keystone's adapter.
        compute: Nova's adapter.
        name: what tells this cloud and region from others.
        domains: names or ids of the domains to export; none for all.
        domain_id: the only domain, if given.
        simple_vm: the project that hosts others, if there is one.
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
        simple_vm: SimpleVMOption | None = None,
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
        self._paged: bool | None = None
        self._by_project = False

    def observe(self, start: float, end: float) -> Observation:
        """See `Site`.

        Raises:
            UsageError: if Keystone or Nova cannot be asked, or an answer is not whole.
        """
        projects = self.projects()
        usages = self.usages(start, end, projects)
        return Observation(projects, usages, self._names(self._simple_vm) if self._simple_vm else {})

    def projects(self) -> list[Project]:
        """The projects to export, with the names of their domains.

        Raises:
            UsageError: if Keystone cannot be asked, or a domain that was asked for is not there.
        """
        domains = {one["id"]: one["name"] for one in self._list("/domains", "domains")}
        if self._domain_id and self._domain_id not in domains:
            raise UsageError(f"there is no domain with the id {self._domain_id}", reason="keystone")
        missing = [one for one in self._domains if one not in domains and one not in domains.values()]
        if missing and not self._domain_id:
            raise UsageError(f"there is no domain {', '.join(missing)}", reason="keystone")
        found = [
            Project(one["id"], one["name"], one["domain_id"], domains.get(one["domain_id"], ""))
            for one in self._list("/projects", "projects")
        ]
        return select(found, self._domains, self._domain_id)

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        answer = self._get(self._keystone, "keystone", path, {})
        entries = answer.get(name)
        if not isinstance(entries, list):
            raise UsageError(f"Keystone's answer to GET {path} has no {name}", reason="keystone")
        if answer.get("truncated"):
            raise UsageError(
                f"Keystone cuts its list of {name}: raise [DEFAULT] list_limit in keystone.conf",
                reason="truncated",
            )
        return entries

    def usages(self, start: float, end: float, projects: Sequence[Project]) -> list[ServerUsage]:
        """What each server used between two times, in seconds since the epoch.

        Raises:
            UsageError: if Nova cannot be asked, or an answer is not whole.
        """
        if self._paged is None:
            self._paged = self._speaks_paged()
        if not self._by_project and self._paged:
            try:
                return self._usages(
                    "/os-simple-tenant-usage", "tenant_usages", {**window(start, end), "detailed": "1"}
                )
            except _Forbidden:
                _log.warning("Nova does not show the usage of all projects at once; asking for one by one")
                self._by_project = True
        usages: list[ServerUsage] = []
        for project in projects:
            usages += self._usages(
                f"/os-simple-tenant-usage/{project.id}", "tenant_usage", window(start, end)
            )
        return usages

    def _speaks_paged(self) -> bool:
        """Whether Nova pages usage."""
        try:
            data = self._nova.get_endpoint_data()
        except exceptions.ClientException as error:
            raise UsageError(f"Nova cannot be reached: {error}", reason="nova") from error
        highest = getattr(data, "max_microversion", None)
        paged = highest is not None and tuple(highest) >= (2, 40)
        if not paged:
            _log.warning("this Nova has no microversion %s: usage is asked for project by project", PAGED)
        return paged

    def _usages(self, path: str, name: str, query: dict[str, str]) -> list[ServerUsage]:
        usages: list[ServerUsage] = []
        for page in self._pages(path, name, query):
            content = page[name]
            tenants = content if isinstance(content, list) else [content] if content else []
            before = len(usages)
            for tenant in tenants:
                usages += map(_server_usage, tenant["server_usages"])
            if not self._paged and len(usages) - before >= _PAGE:
                raise UsageError(
                    f"Nova cut the answer to GET {path} at {len(usages) - before} servers, and this Nova "
                    f"has no microversion {PAGED} to ask for the rest",
                    reason="truncated",
                )
            if self._progress:
                self._progress(len(usages))
        return usages

    def _names(self, simple_vm: SimpleVMOption) -> dict[str, str]:
        """Instance id → project name, by the tag in the metadata of the SimpleVM project's servers."""
        query = {"all_tenants": "1", "project_id": simple_vm.project_id}
        names = {}
        for page in self._pages("/servers/detail", "servers", query):
            for server in page["servers"]:
                name = server.get("metadata", {}).get(simple_vm.tag)
                if name:
                    names[server["id"]] = name
        return names

    def _pages(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """All pages of a list; each is fetched while the one before is read."""

        def fetch(query: dict[str, str]) -> tuple[dict[str, Any], str | None]:
            page = self._get(self._nova, "nova", path, query, microversion=PAGED if self._paged else None)
            if name not in page:
                raise UsageError(f"Nova's answer to GET {path} has no {name}", reason="nova")
            following = (one["href"] for one in page.get(f"{name}_links", ()) if one.get("rel") == "next")
            return page, _marker(next(following, None))

        if self._paged:
            query = {**query, "limit": str(_PAGE)}
        seen: set[str] = set()
        with ThreadPoolExecutor(1) as background:
            pending = background.submit(fetch, query)
            while True:
                page, marker = pending.result()
                if marker is None:
                    yield page
                    return
                if marker in seen:
                    raise UsageError(f"Nova's pages of {path} go round in a circle", reason="truncated")
                seen.add(marker)
                pending = background.submit(fetch, {**query, "marker": marker})
                yield page

    def _get(
        self, adapter: Adapter, service: str, path: str, query: dict[str, str], **options: Any
    ) -> dict[str, Any]:
        self.calls += 1
        asked = f"{service.capitalize()}, GET {path}"
        try:
            answer = adapter.get(path, params=query, **options).json()
        except exceptions.Forbidden as error:
            raise _Forbidden(f"{asked}: forbidden: {error.message}", reason="forbidden") from error
        except exceptions.ClientException as error:
            raise UsageError(f"{asked}: {error}", reason=service) from error
        except ValueError as error:
            raise UsageError(f"{asked}: the answer is not JSON", reason=service) from error
        if not isinstance(answer, dict):
            raise UsageError(f"{asked}: the answer is no JSON object", reason=service)
        return answer


class _Forbidden(UsageError):
    """The credentials may not ask this."""


def _marker(href: str | None) -> str | None:
    """The marker in a link to the next page.

    The rest of the link is not used: behind a proxy its host is often not one that can be reached.
    """
    if href is None:
        return None
    marker = dict(parse_qsl(urlsplit(href).query)).get("marker")
    if not marker:
        raise UsageError(f"the link to Nova's next page has no marker: {href}", reason="truncated")
    return marker


def window(start: float, end: float) -> dict[str, str]:
    """The parameters that ask Nova for a window of time; both in seconds since the epoch."""
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
            f"Nova's usage of a server cannot be read ({error!r}): {entry!r}", reason="nova"
        ) from error
