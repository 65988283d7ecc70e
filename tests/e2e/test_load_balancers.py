"""The load balancers of ``gateway init``: long URLs, and their own errors while no gateway runs."""

from __future__ import annotations

import ssl
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import TYPE_CHECKING

import pytest
import trustme
from tests.e2e.installation import PATH, InstalledHAProxy, InstalledNginx

from chrysaetos.demo.processes import LOOPBACK, free_port
from chrysaetos.install.files import installation_files
from chrysaetos.install.settings import Settings
from chrysaetos.scaffold import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

URL_BYTES = 65_000
"""Below the limit of ``http.server``, and above HAProxy's default."""


class Gateway(BaseHTTPRequestHandler):
    """Responds with the length of the URL."""

    def do_GET(self) -> None:
        body = str(len(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(params=("haproxy", "nginx"))
def balancer(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[InstalledHAProxy, ThreadingHTTPServer]]:
    """A load balancer and the gateway behind it."""
    port = free_port()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "tls.pem")
    gateway = ThreadingHTTPServer((LOOPBACK, 0), Gateway)
    Thread(target=gateway.serve_forever, daemon=True).start()
    settings = Settings(
        keystone_url="https://localhost/identity",
        public_url=f"https://localhost:{port}{PATH}",
        listen=f"{LOOPBACK}:{gateway.server_port}",
        certificate=str(tmp_path / "tls.pem"),
        proxy=request.param,
    )
    write_files(tmp_path, installation_files(settings, PurePosixPath(tmp_path), "secret"), force=False)
    kind = InstalledNginx if request.param == "nginx" else InstalledHAProxy
    with kind(tmp_path, port, tmp_path / "ca.pem") as server:
        yield server, gateway
    gateway.shutdown()
    gateway.server_close()


def get(port: int, target: str, ca: Path) -> tuple[int, str | None, bytes]:
    """Return status, content type and body of a response."""
    connection = HTTPSConnection("localhost", port, context=ssl.create_default_context(cafile=ca), timeout=10)
    connection.request("GET", target)
    response = connection.getresponse()
    answer = response.status, response.getheader("Content-Type"), response.read()
    connection.close()
    return answer


def test_a_long_url_reaches_the_gateway(
    balancer: tuple[InstalledHAProxy, ThreadingHTTPServer], tmp_path: Path
) -> None:
    server, _ = balancer
    target = f"{PATH}/api/v1/query?query=".ljust(URL_BYTES, "a")
    assert get(server.port, target, tmp_path / "ca.pem") == (200, None, str(URL_BYTES).encode())


def test_an_error_without_a_gateway_is_json(
    balancer: tuple[InstalledHAProxy, ThreadingHTTPServer], tmp_path: Path
) -> None:
    server, gateway = balancer
    gateway.shutdown()
    gateway.server_close()
    status, kind, body = get(server.port, f"{PATH}/api/v1/query?query=up", tmp_path / "ca.pem")
    assert (status, kind) == (502 if isinstance(server, InstalledNginx) else 503, "application/json")
    assert body == b'{"status":"error","errorType":"unavailable","error":"no gateway responds"}'
