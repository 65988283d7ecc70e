"""A Nova as far as usage goes: a real HTTP server with paging by instance, microversions, limits and faults.

It answers for its own Keystone, too, where a test does not use the real one.

Source: Compute API reference, "Usage reports (os-simple-tenant-usage)" and "Servers".
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit

__all__ = ["FakeNova", "Server"]

_FORM = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass
class Server:
    """A server; times are seconds since the epoch."""

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


class FakeNova:
    """Runs within ``with``.

    Attributes:
        servers: id → server. Taking one out is what Nova's archiving does.
        projects, domains: what its own Keystone answers.
        microversion: the highest that it has.
        max_limit: where it cuts; silently without paging.
        forbidden: paths that are answered with 403.
        failing: statuses that the next requests are answered with, one after the other.
        delay: seconds before each answer.
        requests: the requests' paths, with their queries.
    """

    def __init__(self, microversion: str = "2.96", max_limit: int = 1000) -> None:
        self.servers: dict[str, Server] = {}
        self.projects: list[dict[str, str]] = []
        self.domains: list[dict[str, str]] = [{"id": "default", "name": "Default"}]
        self.microversion = microversion
        self.max_limit = max_limit
        self.forbidden: set[str] = set()
        self.failing: list[int] = []
        self.delay = 0.0
        self.requests: list[str] = []
        self._lock = Lock()

    def __enter__(self) -> FakeNova:
        nova = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer waits for an acknowledgement

            def do_GET(self) -> None:
                time.sleep(nova.delay)
                with nova._lock:
                    status, content = nova._answer(self.path, self.headers)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def add(self, *servers: Server) -> None:
        self.servers.update({one.id: one for one in servers})

    def _answer(self, target: str, headers) -> tuple[int, dict]:
        parts = urlsplit(target)
        path = parts.path.rstrip("/")
        if path in ("", "/v2.1"):
            return 200, {"version": self._version()} if path else {"versions": [self._version()]}
        self.requests.append(target)
        if self.failing:
            return self.failing.pop(0), {"error": {"message": "told to fail"}}
        path = path.removeprefix("/v2.1").removeprefix("/v3")
        if path in self.forbidden:
            return 403, {"forbidden": {"code": 403, "message": "policy does not allow it"}}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        version = headers.get("OpenStack-API-Version", "compute 2.1").split()[1]
        paged = tuple(map(int, version.split("."))) >= (2, 40)
        return 200, self._content(path, query, paged=paged)

    def _content(self, path: str, query: dict[str, str], *, paged: bool) -> dict:
        servers = sorted(self.servers.values(), key=lambda one: one.id)
        if path == "/servers/detail":
            return self._details(query)
        if path == "/os-simple-tenant-usage":
            tenants, links = self._usage(servers, query, paged=paged)
            return {"tenant_usages": tenants} | ({"tenant_usages_links": links} if links else {})
        if path.startswith("/os-simple-tenant-usage/"):
            own = [one for one in servers if one.project_id == path.rpartition("/")[2]]
            tenants, links = self._usage(own, query, paged=paged)
            content = {"tenant_usage": tenants[0] if tenants else {}}
            return content | ({"tenant_usage_links": links} if links else {})
        return {"/projects": {"projects": self.projects}, "/domains": {"domains": self.domains}}[path]

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
        ids = [one.id for one in servers]
        begin = ids.index(query["marker"]) + 1 if "marker" in query else 0
        limit = min(int(query.get("limit", self.max_limit)), self.max_limit)
        page = servers[begin : begin + limit]
        return page, page[-1].id if len(page) == limit else None

    def _usage(self, servers: list, query: dict[str, str], paged: bool) -> tuple[list, list]:
        start, end = (
            datetime.strptime(query[name], _FORM).replace(tzinfo=UTC).timestamp() for name in ("start", "end")
        )
        seen = [
            one
            for one in servers
            if one.launched <= end and (one.terminated is None or one.terminated >= start)
        ]
        page, marker = self._page(seen, query, paged=paged)
        tenants: dict[str, list] = defaultdict(list)
        for one in page:
            tenants[one.project_id].append(
                {
                    "instance_id": one.id,
                    "tenant_id": one.project_id,
                    "vcpus": one.vcpus,
                    "memory_mb": one.memory_mb,
                    "local_gb": one.local_gb,
                    "hours": one.hours(start, end),
                    "started_at": datetime.fromtimestamp(one.launched, UTC).strftime(_FORM),
                    "ended_at": None
                    if one.terminated is None
                    else datetime.fromtimestamp(one.terminated, UTC).strftime(_FORM),
                    "state": "active" if one.terminated is None else "terminated",
                }
            )
        links = []
        if marker:
            # As behind a proxy that Nova does not know of: the host is none that can be reached.
            links = [{"rel": "next", "href": f"http://nova.internal/usage?limit=9&marker={marker}"}]
        return [{"tenant_id": one, "server_usages": usages} for one, usages in tenants.items()], links

    def _details(self, query: dict[str, str]) -> dict:
        own = [
            one
            for one in sorted(self.servers.values(), key=lambda one: one.id)
            if one.project_id == query["project_id"] and one.terminated is None
        ]
        page, marker = self._page(own, query, paged=True)
        content: dict = {"servers": [{"id": one.id, "metadata": one.metadata} for one in page]}
        if marker:
            content["servers_links"] = [{"rel": "next", "href": f"{self.url}/servers?marker={marker}"}]
        return content
