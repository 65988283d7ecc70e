"""The part of Nova's API that a check asks: hypervisors and servers, in pages. A real HTTP server."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

__all__ = ["FakeNova"]


class FakeNova:
    """Nova with hosts and servers. Use it in ``with``.

    Args:
        hosts: the names of the hosts of its compute services.
        servers: the UUIDs of running servers.
        largest_page: how many items a page has at most, whatever is asked for (its option ``max_limit``).

    Attributes:
        url: its endpoint.
        bare_metal: hosts of hypervisors of the type ironic.
        asked: path and parameters of each request.
        status: answered to everything, if set.
    """

    def __init__(
        self, hosts: list[str] | None = None, servers: list[str] | None = None, *, largest_page: int = 1000
    ) -> None:
        self.hosts = hosts or []
        self.servers = servers or []
        self.bare_metal: list[str] = []
        self.largest_page = largest_page
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status: int | None = None
        handler = type("Handler", (_Handler,), {"nova": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v2.1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hypervisors(self) -> list[dict[str, Any]]:
        """As in "List Hypervisors Details" from microversion 2.53 on."""
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

    def page(self, path: str, asked: dict[str, str]) -> dict[str, Any] | None:
        """The answer to a path, None for one that is not there."""
        if path == "/v2.1/os-hypervisors/detail":
            key, found = "hypervisors", self.hypervisors()
        elif path == "/v2.1/servers/detail" and asked.get("all_tenants") == "1":
            key, found = "servers", [{"id": uuid, "name": uuid, "links": []} for uuid in self.servers]
        else:
            return None
        ids = [item["id"] for item in found]
        start = ids.index(asked["marker"]) + 1 if "marker" in asked else 0
        end = start + min(int(asked["limit"]), self.largest_page)
        more = [{"rel": "next", "href": "http://wrong.example/"}] if end < len(found) else []
        return {key: found[start:end], **({f"{key}_links": more} if more else {})}


class _Handler(BaseHTTPRequestHandler):
    nova: FakeNova

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        self.nova.asked.append((parts.path, asked))
        if self.nova.status is not None:
            self._answer(self.nova.status, {"error": {"code": self.nova.status, "message": "out of order"}})
        elif self.headers["OpenStack-API-Version"] != "compute 2.56" or not self.headers["X-Auth-Token"]:
            self._answer(400, {"badRequest": {"message": "which microversion, and who?"}})
        else:
            page = self.nova.page(parts.path, asked)
            self._answer(404 if page is None else 200, page or {})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stays silent."""
