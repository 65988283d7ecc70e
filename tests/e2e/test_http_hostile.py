"""Attacks by a hostile client or a broken upstream over HTTP, on the real gateway with the real Keystone.

The upstream is a recorder, so that tests see exactly the bytes that would reach Prometheus. Framing is tested
in test_framing.py, and faults in test_faults.py.
"""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest
from tests.fakes.wire import Recorder, Wire, statuses

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.e2e.stack import GatewayFor, People, Tokens

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.prometheus import Prometheus

QUERY = "/api/v1/query?query=up"
MAX_RESPONSE = 24 * 1024 * 1024


class Scripted(Recorder):
    """A recorder that sends a given response."""

    def __init__(self) -> None:
        super().__init__(self._say)
        self.answer: Callable[[socket.socket], None] | None = None

    def _say(self, peer: socket.socket) -> None:
        (self.answer or self.good)(peer)

    @staticmethod
    def good(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


class Response(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Here(NamedTuple):
    gateway: Gateway
    upstream: Scripted

    def ask(self, token: str | None, target: str = QUERY, *, method: str = "GET", **headers: str) -> Response:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        try:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            if token is not None:
                fields["X-Auth-Token"] = token
            connection.request(method, target, headers=fields)
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, *lines: bytes, line: bytes = b"GET /api/v1/query?query=up HTTP/1.1") -> bytes:
        """Send a request with these header lines, which may include credentials, and return the responses."""
        with Wire(("127.0.0.1", self.gateway.port)) as client:
            client.send(b"\r\n".join((line, b"Host: gateway", b"Connection: close", *lines, b"", b"")))
            return client.rest()

    def reached(self) -> int:
        return self.upstream.received.count(b" HTTP/1.1\r\n")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Scripted]:
    with Scripted() as recorder:
        yield recorder


@pytest.fixture
def here(gateway_for: GatewayFor, upstream: Scripted) -> Iterator[Here]:
    options = {"max_response_bytes": str(MAX_RESPONSE), "token_cache_seconds": "60"}
    yield Here(gateway_for(cast("Prometheus", upstream), gateway=options), upstream)
    upstream.answer = None


@pytest.fixture(scope="module")
def alice(tokens: Tokens, people: People) -> str:
    return tokens.project(people.a)


@pytest.fixture(scope="module")
def bob(tokens: Tokens, people: People) -> str:
    return tokens.project(people.b)


# auth


def test_without_a_token_the_response_names_keystone(here, keystone):
    response = here.ask(None)
    assert response.status == 401
    challenges = response.headers.get_all("WWW-Authenticate")
    assert f'Keystone uri="{keystone.url}"' in challenges


@pytest.mark.parametrize(
    "value",
    [b"", b"   ", b"\t", b"a b", "tökén".encode(), b"\xff\xfe", b"a\0b", b"a\rb", b"a\nb", b"a" * 9000],
)
def test_malformed_tokens_are_rejected(here, value):
    before = here.reached()
    assert statuses(here.raw(b"X-Auth-Token: " + value)) in ([400], [401])
    assert here.reached() == before


def test_a_newline_in_a_token_does_not_inject_a_header(here, alice):
    answer = here.raw(b"X-Auth-Token: a\r\n X-Auth-Token: " + alice.encode())
    assert statuses(answer) == [400]


def test_a_token_that_expires_while_it_is_cached_is_rejected(here, tokens, people):
    token, ends = tokens.short_lived(people.a, 3.0)
    assert here.ask(token).status == 200
    while here.ask(token).status == 200:
        assert time.time() < ends + 1
        time.sleep(0.05)
    assert here.ask(token).status == 401
    assert time.time() > ends - 1


def test_domain_and_system_tokens_are_rejected(here, tokens, people):
    assert here.ask(tokens.domain(people.auditor)).status == 403
    assert here.ask(tokens.system(people.auditor)).status == 403
    assert here.ask(tokens.system(people.admin)).status == 403


def test_access_rules_apply_to_each_request(here, tokens, people, identity: IdentityApi):
    # Access rules name the service by its type, and the catalog contains the gateway's type.
    identity.register_endpoint("metric-storage", "aetos", here.gateway.url)
    rule = {"method": "GET", "path": "/api/v1/query", "service": "metric-storage"}
    token = tokens.application_credential(tokens.new_credential(people.a, access_rules=[rule]))
    assert here.ask(token).status == 200
    assert here.ask(token, "/api/v1/labels").status == 401
    assert here.ask(token, method="POST").status == 401
    assert here.ask(token).status == 200


def test_an_invalid_service_token_is_rejected(here, alice, bob):
    assert here.ask(alice, X_Service_Token=bob).status == 401
    assert here.ask(alice, X_Service_Token="nonsense").status == 401
    assert here.ask(alice).status == 200


def test_an_expired_user_token_works_only_with_a_service_token(here, tokens, people):
    expired = tokens.expired(people.a)
    service = tokens.project(people.service)
    assert here.ask(expired).status == 401
    assert here.ask(expired, X_Service_Token=service).status == 200
    assert here.ask(expired).status == 401


def test_a_system_scoped_service_token_does_not_widen_the_users_scope(
    here, tokens, people, identity: IdentityApi, alice
):
    identity.grant(people.service.user_id, "service", on="/system")
    service = tokens.system(people.service)
    before = len(here.upstream.received)
    assert here.ask(alice, X_Service_Token=service).status == 200
    assert people.a.project_id.encode() in here.upstream.received[before:]


# headers

SPOOFED = {
    "OpenStack_System_Scope": "all",
    "X_Project_Id": "other",
    "X_Roles": "admin",
    "X_User_Id": "admin",
    "X_Identity_Status": "Confirmed",
    "X_Is_Admin_Project": "True",
    "X_Forwarded_User": "admin",
    "X_Scope_OrgID": "other",
    "Forwarded": "for=127.0.0.1",
    "Cookie": "session=admin",
}


def test_identity_headers_of_a_client_have_no_effect(here, alice, people):
    assert here.ask(None, **SPOOFED).status == 401
    before = len(here.upstream.received)
    assert here.ask(alice, **SPOOFED).status == 200
    sent = bytes(here.upstream.received[before:]).lower()
    assert people.a.project_id.encode() in sent
    for name, value in SPOOFED.items():
        assert name.replace("_", "-").lower().encode() not in sent
        assert value.lower().encode() not in sent.partition(b"\r\n")[0]


def test_credentials_named_in_connection_are_still_credentials(here, alice):
    token = b"X-Auth-Token: " + alice.encode()
    assert statuses(here.raw(token, b"Connection: X-Auth-Token, X-Project-Id")) == [200]
    assert statuses(here.raw(b"Connection: X-Auth-Token")) == [401]


def test_credentials_never_reach_the_upstream(here, alice):
    assert here.ask(alice).status == 200
    received = bytes(here.upstream.received)
    assert alice.encode() not in received
    assert b"x-auth-token" not in received.lower()
    assert b"authorization" not in received.lower()


@pytest.mark.parametrize("host", ["evil.example", "169.254.169.254:80", "[::1]:9090"])
def test_host_does_not_select_the_upstream(here, alice, host):
    before = len(here.upstream.received)
    assert here.ask(alice, Host=host).status == 200
    sent = bytes(here.upstream.received[before:])
    assert f"\r\nHost: 127.0.0.1:{here.upstream.port}\r\n".encode() in sent
    assert host.encode() not in sent


# paths and parameters


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/label/../query%3Fquery=secret/values",
        "/api/v1/label/%2e%2e%2fquery/values",
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label//values",
        "//api/v1/query",
        "/api/v1/../v1/query",
        "/api/v1/./query",
        "/api/v1/%71uery",
        "/api/v1%2fquery",
        "/api/v1/query%2f",
        "/api/v1/query%00",
        "/api/v1/query%3f",
        "/api/v1/query;x",
        "/api/v1/query//",
        "/API/v1/query",
        "/api/v1/Query",
        "/api/v1\\query",
        "/api/v1/write",
        "/api/v1/otlp/v1/metrics",
        "/-/reload",
        "/-/quit",
        "/debug/pprof/",
        "/graph",
        "/metrics",
    ],
)
def test_paths_outside_the_table_are_404(here, alice, path):
    before = here.reached()
    assert here.ask(alice, f"{path}?query=up").status == 404
    assert here.reached() == before


@pytest.mark.parametrize(
    "query",
    [
        "query=a;query=b",
        "query=a&query=b",
        "query=a&q%75ery=b",
        "query%5B%5D=up",
        "query[]=up",
        "Query=up",
        "query%00=up",
        "+query=up",
        "query=up%00",
        "query=%ff",
        "query=up&time=1&time=2",
        "",
    ],
)
def test_parameters_must_be_exact_and_not_repeated(here, alice, query):
    before = here.reached()
    assert here.ask(alice, f"/api/v1/query?{query}").status == 400
    assert here.reached() == before


def test_a_parameter_is_decoded_once(here, alice):
    before = len(here.upstream.received)
    assert here.ask(alice, "/api/v1/query?q%75ery=u%70").status == 200
    assert b"?query=up%7B" in here.upstream.received[before:]
    assert here.ask(alice, "/api/v1/query?query=%2575p").status == 400


@pytest.mark.parametrize("step", ["1ns", "0.000000001", "0", "-1", "NaN", "1e-9", ""])
def test_a_range_with_too_many_points_is_rejected_by_the_gateway(here, alice, step):
    before = here.reached()
    target = f"/api/v1/query_range?query=up&start=0&end=315360000&step={step}"
    assert here.ask(alice, target).status == 400
    assert here.reached() == before


@pytest.mark.parametrize("method", ["HEAD", "TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "get", "BREW"])
def test_other_methods_are_405_with_allow(here, alice, method):
    before = here.reached()
    line = f"{method} /api/v1/query?query=up HTTP/1.1".encode()
    answer = here.raw(b"X-Auth-Token: " + alice.encode(), line=line)
    assert statuses(answer) == [405]
    assert b"\r\nallow: GET, POST" in answer
    assert here.reached() == before


# the upstream


def _saying(head: bytes, body: bytes = b"") -> Callable[[socket.socket], None]:
    return lambda peer: peer.sendall(head + b"\r\n\r\n" + body)


def _resident(pid: int | None) -> int:
    """Bytes of memory (proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def test_a_compressed_response_is_relayed_and_not_decompressed(here, alice):
    size, piece = 16 * 1024 * 1024, b"\x1f\x8b" + b"\0" * 65534

    def bomb(peer: socket.socket) -> None:
        peer.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n" % size
        )
        for _ in range(size // len(piece)):
            peer.sendall(piece)

    assert here.ask(alice).status == 200
    before = _resident(here.gateway.pid)
    here.upstream.answer = bomb
    response = here.ask(alice, Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(response.body) == size
    assert response.body.startswith(piece)
    assert _resident(here.gateway.pid) - before < 16 * 1024 * 1024


def test_many_codings_have_no_effect_on_the_gateway(here, alice):
    codings = ", ".join(["gzip"] * 100)
    here.upstream.answer = _saying(
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {codings}\r\nContent-Length: 2".encode(), b"ab"
    )
    response = here.ask(alice)
    assert (response.status, response.headers["Content-Encoding"], response.body) == (200, codings, b"ab")


def test_a_response_over_the_limit_is_rejected_or_cut_off(here, alice):
    here.upstream.answer = _saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d" % (MAX_RESPONSE + 1), b"a" * 1000)
    assert here.ask(alice).status in {413, 422, 502}

    def endless(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")

    here.upstream.answer = endless
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        here.ask(alice)


def test_response_headers_that_affect_clients_are_dropped(here, alice):
    here.upstream.answer = _saying(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\nLocation: http://evil/\r\n"
        b"X-Project-Id: B\r\nAccess-Control-Allow-Origin: *\r\nETag: x\r\nServer: s\r\nX-Subject-Token: t\r\n"
        b"Refresh: 0; url=http://evil/\r\nCache-Control: public\r\nContent-Length: 2",
        b"{}",
    )
    response = here.ask(alice)
    assert response.status == 200
    names = {name.lower() for name in response.headers}
    assert names == {
        *("date", "content-type", "content-length", "cache-control", "x-openstack-request-id"),
        "x-chrysaetos-scope",
    }
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\rSet-Cookie: c",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\n c",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: a\0b",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: " + b"b" * 1024 * 1024,
        b"HTTP/1.1 200 OK\r\nContent-Length: -2",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade",
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 2",
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2",
        b"nonsense",
        b"",
    ],
)
def test_a_malformed_response_is_502(here, alice, head):
    here.upstream.answer = _saying(head, b"{}")
    response = here.ask(alice)
    assert response.status == 502
    assert b'"errorType": "bad_gateway"' in response.body
    assert "Location" not in response.headers
    assert "WWW-Authenticate" not in response.headers
    here.upstream.answer = None
    assert here.ask(alice).status == 200


# no response for one tenant reaches another


def test_the_same_query_of_two_tenants_has_two_results(here, alice, bob, people):
    projects = {people.a.project_id: alice, people.b.project_id: bob}
    for _ in range(2):
        for project, token in projects.items():
            before = len(here.upstream.received)
            response = here.ask(token, If_None_Match='"x"', If_Modified_Since="Sat, 21 Nov 2026 00:00:00 GMT")
            assert response.headers["Cache-Control"] == "no-store"
            sent = bytes(here.upstream.received[before:])
            assert project.encode() in sent
            assert b"if-" not in sent.lower()


def test_the_same_query_of_two_tenants_at_once_has_two_results(here, alice, bob, people):
    def whose(peer: socket.socket) -> None:
        # The upstream responds with the project in the request.
        line = bytes(here.upstream.received).rpartition(b"GET ")[2].partition(b"\r\n")[0]
        time.sleep(0.05)
        project = next(one for one in (people.a.project_id, people.b.project_id) if one.encode() in line)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n" + project.encode())

    assert here.ask(alice).status == here.ask(bob).status == 200
    here.upstream.answer = whose
    seen: dict[str, set[bytes]] = {alice: set(), bob: set()}

    def ask(token: str) -> None:
        for _ in range(5):
            seen[token].add(here.ask(token).body)
            time.sleep(0.02)

    for token in (alice, bob):
        ask(token)
    assert seen == {alice: {people.a.project_id.encode()}, bob: {people.b.project_id.encode()}}
    here.upstream.answer = None
    before = here.reached()
    threads = [threading.Thread(target=here.ask, args=(token,)) for token in (alice, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert here.reached() == before + 2
