"""An HTTP server with Nova's usage API: paging by instance, microversions, limits and errors.

It also serves Keystone's lists of projects and domains, for tests without a real Keystone.

Source: Compute API reference, "Usage reports (os-simple-tenant-usage)" and "Servers".
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.fakes.json_server import JsonHandler, JsonServer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FakeNova", "Server"]

_FORM = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass
class Server:
    """A server. Times are in seconds since the epoch."""

    id: str
    project_id: str
    launched: float
    terminated: float | None = None
    vcpus: int = 2
    memory_mb: int = 2048
    local_gb: int = 20
    metadata: dict[str, str] = field(default_factory=dict)

    def hours(self, start: float, end: float) -> float:
        until = end if self.terminated is None else min(self.terminated, end)
        return max(0.0, until - max(self.launched, start)) / 3600


class FakeNova(JsonServer):
    """Nova with servers. A context manager.

    Attributes:
        servers: the servers by id. Remove a server to simulate Nova's archiving.
        projects, domains: the content of Keystone's lists.
        microversion: the highest supported microversion.
        max_limit: maximum number of servers in a response; without paging, the rest is dropped silently.
        quotas: limit and use of each resource, by project.
        forbidden: paths for which the status is 403.
        failing: the statuses of the next responses.
        down: whether every response is 503, also to requests for versions, as from a load balancer.
        duplicates: servers that are listed again; maps the id to the hours of the second record, None for the
            same hours.
        repeat_later: whether the second record is on each following page instead of the same page.
        after_page: called after each page of usage that another page follows, with the id of its last server,
            such as to remove servers between two pages.
        delay: seconds before each response.
        requests: paths and queries of all requests.
    """

    def __init__(self, microversion: str = "2.96", max_limit: int = 1000) -> None:
        self.servers: dict[str, Server] = {}
        self.projects: list[dict[str, str]] = []
        self.domains: list[dict[str, str]] = [{"id": "default", "name": "Default"}]
        self.microversion = microversion
        self.max_limit = max_limit
        self.quotas: dict[str, dict[str, tuple[int, int]]] = {}
        self.forbidden: set[str] = set()
        self.failing: list[int] = []
        self.down = False
        self.duplicates: dict[str, float | None] = {}
        self.repeat_later = False
        self.after_page: Callable[[str], None] = lambda _: None
        self.delay = 0.0
        self.requests: list[str] = []
        self.lock = Lock()
        super().__init__(_Handler, nova=self)
        self.url = self.root_url

    def add(self, *servers: Server) -> None:
        self.servers.update({server.id: server for server in servers})

    def answer(self, target: str, headers) -> tuple[int, dict]:
        if self.down:
            return 503, {"error": {"message": "no server is available"}}
        parts = urlsplit(target)
        path = parts.path.rstrip("/")
        if path in ("", "/v2.1"):
            return 200, {"version": self._version()} if path else {"versions": [self._version()]}
        self.requests.append(target)
        if self.failing:
            return self.failing.pop(0), {"error": {"message": "simulated failure"}}
        path = path.removeprefix("/v2.1").removeprefix("/v3")
        if path in self.forbidden:
            return 403, {"forbidden": {"code": 403, "message": "policy does not allow it"}}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        version = headers.get("OpenStack-API-Version", "compute 2.1").split()[1]
        paged = tuple(map(int, version.split("."))) >= (2, 40)
        try:
            return 200, self._content(path, query, paged=paged)
        except _UnknownError as error:
            return 400, {"badRequest": {"code": 400, "message": str(error)}}

    def _content(self, path: str, query: dict[str, str], *, paged: bool) -> dict:
        servers = sorted(self.servers.values(), key=lambda server: server.id)
        if path == "/servers/detail":
            return self._details(query)
        if path.startswith("/os-quota-sets/"):
            return self._quota(path.split("/")[2])
        if path == "/os-simple-tenant-usage":
            tenants, links = self._usage(servers, query, paged=paged)
            return {"tenant_usages": tenants} | ({"tenant_usages_links": links} if links else {})
        if path.startswith("/os-simple-tenant-usage/"):
            own = [server for server in servers if server.project_id == path.rpartition("/")[2]]
            tenants, links = self._usage(own, query, paged=paged)
            content = {"tenant_usage": tenants[0] if tenants else {}}
            return content | ({"tenant_usage_links": links} if links else {})
        return {"/projects": {"projects": self.projects}, "/domains": {"domains": self.domains}}[path]

    def _quota(self, project_id: str) -> dict:
        if project_id not in self.quotas:
            raise _UnknownError(f"Project ID {project_id} is not a valid project.")
        quotas = self.quotas[project_id].items()
        content = {name: {"limit": limit, "in_use": used, "reserved": 0} for name, (limit, used) in quotas}
        return {"quota_set": {"id": project_id, **content}}

    def _version(self) -> dict:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": self.microversion,
            "min_version": "2.1",
            "links": [{"rel": "self", "href": f"{self.url}/v2.1/"}],
        }

    def _page(self, servers: list, query: dict[str, str], *, paged: bool) -> tuple[list, str | None]:
        if not paged:
            return servers[: self.max_limit], None
        ids = [server.id for server in servers]
        if "marker" in query and query["marker"] not in ids:
            raise _UnknownError("marker not found")
        begin = ids.index(query["marker"]) + 1 if "marker" in query else 0
        limit = min(int(query.get("limit", self.max_limit)), self.max_limit)
        page = servers[begin : begin + limit]
        return page, page[-1].id if len(page) == limit else None

    def _usage(self, servers: list, query: dict[str, str], paged: bool) -> tuple[list, list]:
        start, end = (
            datetime.strptime(query[name], _FORM).replace(tzinfo=UTC).timestamp() for name in ("start", "end")
        )
        existing = [
            server
            for server in servers
            if server.launched <= end and (server.terminated is None or server.terminated >= start)
        ]
        page, marker = self._page(existing, query, paged=paged)
        tenants: dict[str, list] = defaultdict(list)
        for server in page:
            tenants[server.project_id].append(self._record(server, start, end))
        for server in existing if self.repeat_later and "marker" in query else page:
            if server.id in self.duplicates and self.repeat_later == ("marker" in query):
                record = self._record(server, start, end)
                hours = self.duplicates[server.id]
                tenants[server.project_id].append(record if hours is None else {**record, "hours": hours})
        links = []
        if marker:
            self.after_page(marker)
            # The host is unreachable, as if Nova ran behind a proxy that it does not know.
            links = [{"rel": "next", "href": f"http://nova.internal/usage?limit=9&marker={marker}"}]
        return [{"tenant_id": tenant, "server_usages": usages} for tenant, usages in tenants.items()], links

    def _record(self, server: Server, start: float, end: float) -> dict:
        return {
            "instance_id": server.id,
            "tenant_id": server.project_id,
            "vcpus": server.vcpus,
            "memory_mb": server.memory_mb,
            "local_gb": server.local_gb,
            "hours": server.hours(start, end),
            "started_at": datetime.fromtimestamp(server.launched, UTC).strftime(_FORM),
            "ended_at": None
            if server.terminated is None
            else datetime.fromtimestamp(server.terminated, UTC).strftime(_FORM),
            "state": "active" if server.terminated is None else "terminated",
        }

    def _details(self, query: dict[str, str]) -> dict:
        own = [
            server
            for server in sorted(self.servers.values(), key=lambda server: server.id)
            if server.project_id == query["project_id"] and server.terminated is None
        ]
        page, marker = self._page(own, query, paged=True)
        content: dict = {"servers": [{"id": server.id, "metadata": server.metadata} for server in page]}
        if marker:
            content["servers_links"] = [{"rel": "next", "href": f"{self.url}/servers?marker={marker}"}]
        return content


class _UnknownError(Exception):
    """The server of the marker is not in the list any more, or there is no such project."""


class _Handler(JsonHandler):
    nova: FakeNova
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each response waits for an acknowledgement

    def do_GET(self) -> None:  # noqa: N802  # the base class' name
        time.sleep(self.nova.delay)
        with self.nova.lock:
            status, content = self.nova.answer(self.path, self.headers)
        self._reply(status, content)
