"""Clients behind a real HAProxy: each has its own limit on failed logins, and its address in the audit log.

Clients and proxies have different addresses of the loopback network.
"""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import pytest
from tests.fakes.wire import Wire, statuses

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.processes import LOOPBACK, Server, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.stack import GatewayFor, People, Stores, Tokens

    from chrysaetos.demo.identities import ApplicationCredential
    from chrysaetos.demo.keystone import Keystone

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
OWNER, ATTACKER, FRONT, EDGE = "127.0.0.7", "127.0.0.66", "127.0.0.2", "127.0.0.3"
HEADER = {"trusted_proxies": f"{FRONT}, {EDGE}"}
PREFACE = {**HEADER, "proxy_protocol": "true"}
SPOOFED = {"X-Forwarded-For": OWNER, "Forwarded": f"for={OWNER}", "X-Real-Ip": OWNER, "Client-Ip": OWNER}
SOCKET = "gateway.sock"
SERVERS = {
    "version 1": "send-proxy check inter 100ms",
    "version 2": "send-proxy-v2 check inter 100ms",
    "version 2 with extensions": "send-proxy-v2 proxy-v2-options crc32c,unique-id",
}


class HAProxy(Server):
    """HAProxy with the configuration in deploy/, and further frontends that use the PROXY protocol.

    Args:
        directory: its directory.
        header: the server that reads ``X-Forwarded-For``.
        preface: the address of the server that reads the PROXY protocol.

    Attributes:
        ports: the port of each way to a server.
    """

    name: ClassVar[str] = "HAProxy"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, header: str, preface: str = "", *, port: int | None = None) -> None:
        super().__init__(directory, port=port)
        self._header, self._preface = header, preface
        self.ports = {"header": self.port}
        if preface:
            self.ports |= {name: free_port() for name in (*SERVERS, "two proxies")}

    def prepare(self) -> None:
        config = CONFIG.read_text()
        for pattern, text in (
            (r"log /dev/log local0", "log stdout format raw local0"),
            (r"(?m)^    (user|group) haproxy\n", ""),
            (r"bind .*", f"bind {LOOPBACK}:{self.port}\n    bind ::1:{self.port}"),
            (r"uri /metric-storage/", "uri /"),
            (r"server local \S+", f"server local {self._header}"),
            (r"(?m)^    server other.*\n", ""),
        ):
            config, count = re.subn(pattern, text, config)
            assert count, pattern
        further = [self._further(name, options) for name, options in SERVERS.items() if self._preface]
        if self._preface:
            # The first proxy names its client in a header, the second one names the first by the protocol.
            further.append(
                f"listen first\n    bind {LOOPBACK}:{self.ports['two proxies']}\n    option forwardfor\n"
                f"    server second {LOOPBACK}:{self.ports['version 2']} source {EDGE}\n"
            )
        (self.directory / "haproxy.cfg").write_text("\n".join([config, *further]))

    def _further(self, name: str, options: str) -> str:
        port, title = self.ports[name], name.replace(" ", "-")
        return (
            f"listen {title}\n    mode tcp\n    unique-id-format %[uuid]\n"
            f"    bind {LOOPBACK}:{port}\n    bind ::1:{port}\n    server one {self._preface} {options}\n"
        )

    def command(self) -> list[str]:
        return ["/usr/sbin/haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")]


class Way(NamedTuple):
    """A way to a gateway: the port to connect to."""

    gateway: Gateway
    port: int

    def ask(self, client: str, login: tuple[str, str], headers: dict[str, str] | None = None) -> int:
        """Return the status of a query from a client's address."""
        host = "::1" if ":" in client else LOOPBACK
        connection = HTTPConnection(host, self.port, timeout=20, source_address=(client, 0))
        authorization = {"Authorization": "Basic " + b64encode(":".join(login).encode()).decode()}
        try:
            connection.request("GET", "/api/v1/query?query=cpu", headers=authorization | (headers or {}))
            return connection.getresponse().status
        finally:
            connection.close()

    @contextmanager
    def audited(self, *clients: str) -> Iterator[None]:
        """Check the clients in the audit lines of the queries in a block."""
        start = self.gateway.log.stat().st_size

        def lines() -> list[str]:
            text = self.gateway.log.read_text()[start:]
            return re.findall(r' client="(\S+)" .* endpoint="query" ', text)

        yield
        assert wait_for(lambda: len(lines()) >= len(clients), timeout=5)
        assert lines() == list(clients)


@pytest.fixture(scope="module")
def to_header(gateway_for: GatewayFor, stores: Stores) -> Gateway:
    return gateway_for(stores.ab, gateway=HEADER)


@pytest.fixture(scope="module")
def to_preface(gateway_for: GatewayFor, stores: Stores) -> Gateway:
    return gateway_for(stores.ab, gateway=PREFACE)


@pytest.fixture(scope="module")
def haproxy(
    to_header: Gateway, to_preface: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HAProxy]:
    servers = [f"{LOOPBACK}:{gateway.port} source {FRONT}" for gateway in (to_header, to_preface)]
    with HAProxy(tmp_path_factory.mktemp("haproxy"), *servers) as running:
        yield running


@pytest.fixture(params=["header", *SERVERS, "two proxies"])
def way(request: pytest.FixtureRequest, haproxy: HAProxy, to_header: Gateway, to_preface: Gateway) -> Way:
    gateway = to_header if request.param == "header" else to_preface
    return Way(gateway, haproxy.ports[request.param])


@pytest.fixture
def credential(tokens: Tokens, people: People) -> ApplicationCredential:
    """Credentials that no gateway has seen."""
    return tokens.new_credential(people.a)


@pytest.fixture
def gateway_on_unix_socket(
    keystone: Keystone, stores: Stores, people: People, tmp_path: Path
) -> Iterator[Callable[..., Gateway]]:
    """A function that starts a gateway with options of ``[gateway]``."""
    with ExitStack() as stack:

        def start(**options: str) -> Gateway:
            path = tmp_path / SOCKET
            gateway = Gateway(
                tmp_path,
                keystone_url=keystone.url,
                prometheus_url=stores.ab.url,
                user=people.gateway.user,
                password=people.gateway.password,
                options={"gateway": {"unix_socket": str(path), "trusted_proxies": "unix", **options}},
            )
            stack.callback(gateway.stop)
            gateway.start()
            assert wait_for(path.is_socket, timeout=30)
            return gateway

        yield start


def lock_out(way: Way, credential: ApplicationCredential) -> None:
    """Fail with the credential's id until the gateway does not ask Keystone any more."""
    headers = [{}, SPOOFED]
    wrong = [way.ask(ATTACKER, (credential.id, f"wrong-{n}"), headers[n % 2]) for n in range(7)]
    assert wrong == [401] * 5 + [429] * 2
    assert way.ask(ATTACKER, (credential.id, credential.secret)) == 429


def test_a_client_cannot_lock_out_the_owner_of_credentials(way, credential):
    with way.audited(*[ATTACKER] * 8, OWNER):
        lock_out(way, credential)
        assert way.ask(OWNER, (credential.id, credential.secret)) == 200


@pytest.mark.parametrize("name", ["header", *SERVERS])
def test_clients_with_ipv6_have_their_own_limit(haproxy, to_header, to_preface, credential, name):
    way = Way(to_header if name == "header" else to_preface, haproxy.ports[name])
    with way.audited(*[ATTACKER] * 8, "::1"):
        lock_out(way, credential)
        assert way.ask("::1", (credential.id, credential.secret)) == 200


def test_a_client_that_is_not_a_trusted_proxy_cannot_name_another(to_header, to_preface, credential):
    for gateway in (to_header, to_preface):
        way = Way(gateway, gateway.port)
        with way.audited(ATTACKER, OWNER):
            assert way.ask(ATTACKER, (credential.id, credential.secret), SPOOFED) == 200
            assert way.ask(OWNER, (credential.id, credential.secret), {"X-Forwarded-For": ATTACKER}) == 200


@pytest.mark.parametrize("address", [LOOPBACK, FRONT])
def test_a_connection_with_a_wrong_start_is_refused(to_preface, address):
    line = f"PROXY TCP4 {OWNER} {LOOPBACK} 4711 80\r\n".encode()
    plain = b"GET /healthcheck HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    trusted = address == FRONT
    for start, status in ((b"", 400 if trusted else 200), (line, 200 if trusted else 400)):
        with Wire((LOOPBACK, to_preface.port), source=address) as client:
            client.send(start + plain)
            assert statuses(client.rest()) == [status]


@pytest.mark.parametrize("options", [{}, {"proxy_protocol": "true"}])
def test_clients_of_a_gateway_on_a_unix_socket(
    gateway_on_unix_socket: Callable[..., Gateway], credential: ApplicationCredential, options: dict[str, str]
) -> None:
    gateway = gateway_on_unix_socket(**options)
    server = f"unix@{gateway.directory / SOCKET} {'send-proxy-v2' if options else ''}"
    # The port of the gateway is free, since it listens on the socket instead.
    with HAProxy(gateway.directory / "haproxy", server, port=gateway.port):
        way = Way(gateway, gateway.port)
        with way.audited(*[ATTACKER] * 8, OWNER):
            lock_out(way, credential)
            assert way.ask(OWNER, (credential.id, credential.secret)) == 200
