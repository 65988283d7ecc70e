"""HTTP servers with the lists and quotas of Cinder and Neutron: paging by marker, deletions, roles, errors.

Sources: Block Storage API v3 reference, "Volumes" and "Quota sets extension"; Networking API v2.0 reference,
"Floating IPs" and "Quotas extension".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.fakes.json_server import JsonHandler, JsonServer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FakeCinder", "FakeNeutron", "Listed"]


@dataclass
class Listed:
    """A volume or a floating IP. ``created`` is in seconds since the epoch."""

    id: str
    project_id: str
    created: float
    size: int = 10
    migration: str | None = None


class _ListedService(JsonServer):
    """A service that lists objects. A context manager.

    Attributes:
        objects: the objects by id. Remove an object to delete it.
        only_project: the project of the credentials; None for those of an administrator, who sees all.
        quotas: limit and use of each resource, by project. Other projects are unknown.
        max_limit: maximum number of objects in a page.
        down: whether every response is 503.
        repeated: ids of objects that each following page has again.
        after_page: called after each page that another page follows, with the marker.
        requests: paths and queries of all requests.
    """

    root: ClassVar[str]
    list_path: ClassVar[str]
    key: ClassVar[str]
    quota_path: ClassVar[str]
    quota_key: ClassVar[str]
    used_key: ClassVar[str]

    def __init__(self) -> None:
        self.objects: dict[str, Listed] = {}
        self.only_project: str | None = None
        self.quotas: dict[str, dict[str, tuple[int, int]]] = {}
        self.max_limit = 1000
        self.down = False
        self.repeated: set[str] = set()
        self.after_page: Callable[[str], None] = lambda _: None
        self.requests: list[str] = []
        self.lock = Lock()
        super().__init__(_Handler, service=self)
        self.url = f"{self.root_url}{self.root}"

    def add(self, *objects: Listed) -> None:
        self.objects.update({each.id: each for each in objects})

    def entry(self, listed: Listed) -> dict:
        raise NotImplementedError

    def listed_project(self, query: dict[str, str]) -> str | None:  # Cinder's
        return self.only_project

    def answer(self, target: str) -> tuple[int, dict]:
        self.requests.append(target)
        if self.down:
            return 503, {"error": {"message": "no server is available"}}
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix(self.root)
        quota = re.fullmatch(self.quota_path, path)
        if path == parts.path and self.root:
            return 404, {"error": {"message": f"{path} is not below {self.root}"}}
        if quota:
            return self._quota(quota[1], query)
        return self._page(query) if path == self.list_path else (404, {"error": {"message": path}})

    def _quota(self, project_id: str, query: dict[str, str]) -> tuple[int, dict]:
        if self.only_project not in (None, project_id):
            return 403, {"forbidden": {"message": "only for administrators"}}
        if project_id not in self.quotas:
            return 404, {"error": {"message": "no such project"}}
        quotas = self.quotas[project_id].items()
        return 200, {self.quota_key: {name: self.quota(limit, used, query) for name, (limit, used) in quotas}}

    def quota(self, limit: int, used: int, query: dict[str, str]) -> object:  # Cinder's
        return {"limit": limit, self.used_key: used, "reserved": 0}

    def _page(self, query: dict[str, str]) -> tuple[int, dict]:
        objects = sorted(self.objects.values(), key=lambda each: (-each.created, each.id))
        only = self.listed_project(query)
        objects = [each for each in objects if only in (None, each.project_id)]
        ids = [each.id for each in objects]
        if "marker" in query and query["marker"] not in ids:
            return 404, {"itemNotFound": {"message": f"{query['marker']} could not be found."}}
        begin = ids.index(query["marker"]) + 1 if "marker" in query else 0
        limit = min(int(query.get("limit", self.max_limit)), self.max_limit)
        page = objects[begin : begin + limit]
        entries = [self.entry(each) for each in page]
        if begin:
            entries += [self.entry(each) for each in objects[:begin] if each.id in self.repeated]
        content: dict = {self.key: entries}
        if len(page) == limit:
            self.after_page(page[-1].id)
            href = f"http://internal.example/list?limit=9&marker={page[-1].id}"
            content[f"{self.key}_links"] = [{"rel": "next", "href": href}]
        return 200, content


class FakeCinder(_ListedService):
    """Cinder, whose administrators see the volumes of other projects with ``all_tenants``.

    Attributes:
        admin_project: the project of an administrator's credentials.
    """

    admin_project = "own"

    root = "/v3/own"
    list_path = "/volumes/detail"
    key = "volumes"
    quota_path = "/os-quota-sets/([^/]+)"
    quota_key = "quota_set"
    used_key = "in_use"

    def entry(self, listed: Listed) -> dict:
        moment = datetime.fromtimestamp(listed.created, UTC)
        return {
            "id": listed.id,
            "size": listed.size,
            "status": "available",
            "created_at": moment.strftime("%Y-%m-%dT%H:%M:%S.%f"),
            "os-vol-tenant-attr:tenant_id": listed.project_id,
            "os-vol-mig-status-attr:migstat": listed.migration,
        }

    def listed_project(self, query: dict[str, str]) -> str | None:
        return self.only_project or (None if query.get("all_tenants") == "1" else self.admin_project)

    def quota(self, limit: int, used: int, query: dict[str, str]) -> object:
        return super().quota(limit, used, query) if query.get("usage") == "true" else limit


class FakeNeutron(_ListedService):
    """Neutron, whose endpoint in the catalog lacks the version. Administrators see all floating IPs."""

    root = "/v2.0"
    list_path = "/floatingips"
    key = "floatingips"
    quota_path = "/quotas/([^/]+)(?:/details)?"
    quota_key = "quota"
    used_key = "used"

    def __init__(self) -> None:
        super().__init__()
        self.url = self.root_url

    def entry(self, listed: Listed) -> dict:
        moment = datetime.fromtimestamp(listed.created, UTC)
        return {
            "id": listed.id,
            "project_id": listed.project_id,
            "created_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "status": "ACTIVE",
        }


class _Handler(JsonHandler):
    service: _ListedService
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each response waits for an acknowledgement

    def do_GET(self) -> None:  # noqa: N802  # the base class' name
        with self.service.lock:
            status, content = self.service.answer(self.path)
        self._reply(status, content)
