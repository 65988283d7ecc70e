"""The part of Nova's API that the checks use: pages of hypervisors and servers, as a real HTTP server."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.json_server import JsonHandler, JsonServer

__all__ = ["FakeNova"]


class FakeNova(JsonServer):
    """Nova with hosts and servers. A context manager.

    Args:
        hosts: the host names of the compute services.
        servers: the UUIDs of running servers.
        largest_page: the maximum number of items in a page (Nova's option ``max_limit``).

    Attributes:
        url: the endpoint.
        bare_metal: the hosts of hypervisors of the type ironic.
        requests: path and parameters of each request.
        status: the status of every response, if set.
    """

    def __init__(
        self, hosts: list[str] | None = None, servers: list[str] | None = None, *, largest_page: int = 1000
    ) -> None:
        self.hosts = hosts or []
        self.servers = servers or []
        self.bare_metal: list[str] = []
        self.largest_page = largest_page
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.status: int | None = None
        super().__init__(_Handler, nova=self)
        self.url = self.root_url + "/v2.1"

    def hypervisors(self) -> list[dict[str, Any]]:
        """Return the response of "List Hypervisors Details", microversion 2.53 or later."""
        kinds = [*((host, "QEMU") for host in self.hosts), *((host, "ironic") for host in self.bare_metal)]
        return [
            {
                "id": f"id-of-{host}",
                "hypervisor_hostname": f"{host}.hypervisor.example",
                "hypervisor_type": kind,
                "state": "up",
                "status": "enabled",
                "service": {"id": f"service-of-{host}", "host": host, "disabled_reason": None},
            }
            for host, kind in kinds
        ]

    def page(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        """Return the response for a path, None if the path does not exist."""
        if path == "/v2.1/os-hypervisors/detail":
            key, found = "hypervisors", self.hypervisors()
        elif path == "/v2.1/servers/detail" and query.get("all_tenants") == "1":
            key, found = "servers", [{"id": uuid, "name": uuid, "links": []} for uuid in self.servers]
        else:
            return None
        ids = [item["id"] for item in found]
        start = ids.index(query["marker"]) + 1 if "marker" in query else 0
        end = start + min(int(query["limit"]), self.largest_page)
        more = [{"rel": "next", "href": "http://wrong.example/"}] if end < len(found) else []
        return {key: found[start:end], **({f"{key}_links": more} if more else {})}


class _Handler(JsonHandler):
    nova: FakeNova

    def do_GET(self) -> None:  # noqa: N802  # the base class' name
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.nova.requests.append((parts.path, query))
        if self.nova.status is not None:
            self._reply(self.nova.status, {"error": {"code": self.nova.status, "message": "out of order"}})
        elif self.headers["OpenStack-API-Version"] != "compute 2.56" or not self.headers["X-Auth-Token"]:
            self._reply(400, {"badRequest": {"message": "microversion or token missing"}})
        else:
            page = self.nova.page(parts.path, query)
            self._reply(404 if page is None else 200, page or {})
