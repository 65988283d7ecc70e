"""Faults around the gateway, with relays in front of a real Keystone and a real Prometheus."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import threading
import time
from base64 import b64encode
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import pytest
from tests.e2e.stack import Window, store_text
from tests.fakes.relay import Relay
from tests.fakes.wire import Recorder, Wire, statuses
from tests.support.suspending import suspended

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, Process, Server, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chrysaetos.demo.identities import Account

ROOT = Path(__file__).parents[2]
CACHE_SECONDS = 3.0
QUERY = "/api/v1/query?query=cpu"
ALL = "/api/v1/query_range?query=%7B__name__%3D~%22.%2B%22%7D&step=60"
VALIDATION = b"GET /v3/auth/tokens "


class RelayedKeystone(Keystone):
    """A Keystone whose catalog names the relay in front of it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.relay = Relay(self.port)

    @property
    def url(self) -> str:
        return f"{self.relay.url}/v3"


class World(NamedTuple):
    keystone: RelayedKeystone
    api: IdentityApi
    tenant: Account
    prometheus: Prometheus
    relay: Relay
    window: Window
    gateway_for: Callable[..., Gateway]

    def token(self) -> str:
        return self.api.token(self.tenant.auth())


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float


def ask(gateway: Gateway, token: str, target: str = QUERY, timeout: float = 20.0) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=timeout)
    started = time.monotonic()
    try:
        connection.request("GET", target, headers={"X-Auth-Token": token})
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, response.headers, body, time.monotonic() - started)
    finally:
        connection.close()


def request(token: str, target: str = QUERY) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: gateway\r\nX-Auth-Token: {token}\r\n\r\n".encode()


@contextmanager
def wires(gateway: Gateway, count: int, start: bytes = b"") -> Iterator[list[Wire]]:
    """Open connections that have each sent the start of a request."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(Wire(("127.0.0.1", gateway.port), timeout=60))
            client.send(start)
            clients.append(client)
        yield clients


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        keystone = RelayedKeystone(tmp_path_factory.mktemp("keystone"))
        stack.enter_context(keystone.relay)
        stack.enter_context(keystone)
        api = IdentityApi(keystone.url, keystone.admin_password)
        stack.callback(api.close)
        tenant = api.create_account("alice", api.create_project("tenant-a"), "tenant-a", "member")
        service = api.create_account("aetos", api.create_project("service"), "service", "service")
        assert tenant.project_id is not None
        window = Window.around(time.time())
        prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"))
        prometheus.backfill(store_text(window, tenant.project_id))
        stack.enter_context(prometheus)
        relay = stack.enter_context(Relay(prometheus.port))

        def gateway_for(upstream: str = relay.url, **options: dict[str, str]) -> Gateway:
            conf = {
                "prometheus": {"timeout": "2", "connect_timeout": "1"},
                "keystone_authtoken": {"http_connect_timeout": "1", "http_request_max_retries": "0"},
                "gateway": {"token_cache_seconds": "60", "header_timeout": "2", "drain_seconds": "10"}
                | {"max_requests": "300", "max_requests_per_project": "300", "share_requests": "false"},
            }
            return Gateway(
                tmp_path_factory.mktemp("gateway"),
                keystone_url=keystone.url,
                prometheus_url=upstream,
                user=service.user,
                password=service.password,
                options={name: conf.get(name, {}) | options.get(name, {}) for name in conf | options},
            )

        yield World(keystone, api, tenant, prometheus, relay, window, gateway_for)


@pytest.fixture(scope="module")
def gateway(world: World) -> Iterator[Gateway]:
    with world.gateway_for() as running:
        yield running


def test_keystone_is_stopped_and_comes_back(world):
    with world.gateway_for(gateway={"token_cache_seconds": str(CACHE_SECONDS)}) as gateway:
        token, unknown = world.token(), world.token()
        assert ask(gateway, token).status == 200
        known = time.monotonic()
        world.keystone.relay.stop()
        try:
            refused = ask(gateway, unknown)
            assert refused.status == 503
            assert int(refused.headers["Retry-After"]) > 0
            assert ask(gateway, token).status == 200
            time.sleep(max(0.0, known + CACHE_SECONDS + 0.2 - time.monotonic()))
            assert ask(gateway, token).status == 503
        finally:
            world.keystone.relay.start()
        assert ask(gateway, token).status == 200
        assert ask(gateway, unknown).status == 200


def test_keystone_hangs(world, gateway):
    token, unknown = world.token(), world.token()
    assert ask(gateway, token).status == 200
    with suspended(world.keystone.pid):
        answers: list[Answer] = []
        waiting = threading.Thread(target=lambda: answers.append(ask(gateway, unknown)))
        waiting.start()
        meanwhile = ask(gateway, token)
        assert (meanwhile.status, meanwhile.seconds < 1.0) == (200, True)
        waiting.join()
        assert answers[0].status == 503
        assert answers[0].headers["Retry-After"]
        assert answers[0].seconds < 8
    assert ask(gateway, unknown).status == 200


@contextmanager
def unanswered(relay: Relay) -> Iterator[None]:
    """Put a socket in place of a relay that accepts connections and never answers."""
    relay.stop()
    accepted = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])

    with socket.create_server((LOOPBACK, relay.port), backlog=512) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for each in accepted:
                each.close()
    relay.start()


def test_200_new_callers_on_a_keystone_that_never_answers(world):
    """New callers wait 5 s in all, the next ones not at all, and cached callers notice nothing."""
    slow = {"http_connect_timeout": "60", "http_request_max_retries": "3"}
    burst = {"auth_failures_burst": "1000"}
    with world.gateway_for(keystone_authtoken=slow, gateway=burst) as gateway:
        token = world.token()
        assert ask(gateway, token).status == 200
        with unanswered(world.keystone.relay), wires(gateway, 200) as clients:
            started = time.monotonic()
            for number, client in enumerate(clients):
                if number % 10:
                    client.send(request(new_secret()))
                else:
                    credentials = b64encode(f"ac{number}:{new_secret()}".encode())
                    client.send(request("").replace(b"X-Auth-Token:", b"Authorization: Basic " + credentials))
            slowest = 0.0
            while time.monotonic() - started < 4:
                known = ask(gateway, token)
                assert known.status == 200
                slowest = max(slowest, known.seconds)
            assert slowest < 0.5
            answers = {tuple(statuses(client.answer())) for client in clients}
            assert answers == {(503,)}
            assert 4.9 < time.monotonic() - started < 6.5
            rejected = ask(gateway, new_secret())
            assert (rejected.status, rejected.seconds < 0.5) == (503, True)
            assert int(rejected.headers["Retry-After"]) >= 1
            assert ask(gateway, token).status == 200
            stopping = time.monotonic()
            gateway.stop()
            assert time.monotonic() - stopping < 8


def test_prometheus_is_stopped_and_comes_back(world, gateway):
    token = world.token()
    assert ask(gateway, token).status == 200
    world.relay.stop()
    try:
        refused = ask(gateway, token)
        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert refused.seconds < 2
    finally:
        world.relay.start()
    assert ask(gateway, token).status == 200


def test_prometheus_hangs(world, gateway):
    token = world.token()
    assert ask(gateway, token).status == 200
    with suspended(world.prometheus.pid):
        late = ask(gateway, token)
        assert late.status == 504
        assert 1.5 < late.seconds < 5
    assert ask(gateway, token).status == 200


def test_a_response_that_is_cut_off_is_an_incomplete_transfer(world, gateway):
    token = world.token()
    target = f"{ALL}&start={world.window.start}&end={world.window.now}"
    whole = ask(gateway, token, target)
    assert whole.status == 200
    assert len(whole.body) > 50_000
    world.relay.cut_after = 40_000
    try:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask(gateway, token, target)
        with Wire(("127.0.0.1", gateway.port)) as client:
            client.send(request(token, target).replace(b"HTTP/1.1", b"HTTP/1.0"))
            # Without a length or chunks, only a reset distinguishes a cut from the end.
            with pytest.raises(ConnectionResetError):
                client.exhaust()
    finally:
        world.relay.cut_after = None
    assert ask(gateway, token, target).body == whole.body


class Load:
    """Clients that send requests without pause over persistent connections.

    They stop when connections are refused, or after ``stop``.
    """

    def __init__(self, port: int, token: str, clients: int) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self._stopped = threading.Event()
        self._port = port
        self._request = request(token)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def wait_for_more(self, count: int) -> bool:
        target = self.answered + count
        return wait_for(lambda: self.answered >= target, timeout=20)

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                client = Wire(("127.0.0.1", self._port))
            except ConnectionRefusedError:
                return
            with client:
                while self._ask(client):
                    pass

    def _ask(self, client: Wire) -> bool:
        try:
            client.send(self._request)
            answer = client.answer()
        except OSError as error:
            with self._lock:
                self.lost.append(repr(error))
            return False
        with self._lock:
            self.answered += 1
            if statuses(answer) != [200]:
                self.lost.append(repr(answer))
        return b"connection: close" not in answer and not self._stopped.is_set()


class HAProxy(Server):
    """HAProxy with the configuration in deploy/, without TLS, in front of two gateways of this machine."""

    name: ClassVar[str] = "HAProxy"
    ready_path: ClassVar[str] = "/healthcheck"

    def __init__(self, directory: Path, gateways: list[Gateway]) -> None:
        super().__init__(directory)
        self._gateways = gateways

    def prepare(self) -> None:
        config = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text()
        local, other = self._gateways
        for pattern, text in (
            (r"log /dev/log local0", "log stdout format raw local0"),
            (r"(?m)^    (user|group) haproxy\n", ""),
            (r"bind .*", f"bind {LOOPBACK}:{self.port}"),
            (r"uri /metric-storage/", "uri /"),
            (r"server local \S+", f"server local {LOOPBACK}:{local.port}"),
            (r"server other1 \S+", f"server other1 {LOOPBACK}:{other.port}"),
        ):
            config, count = re.subn(pattern, text, config)
            assert count, pattern
        (self.directory / "haproxy.cfg").write_text(config)

    def command(self) -> list[str]:
        return ["/usr/sbin/haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")]

    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/bin"}


def _has_answered(gateway: Gateway) -> bool:
    return ' endpoint="query" ' in gateway.log.read_text()


def _slowly(peer: socket.socket) -> None:
    time.sleep(0.05)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_under_load_loses_no_request(world, workers):
    with (
        Recorder(_slowly) as upstream,
        world.gateway_for(upstream.url, gateway={"workers": workers}) as gateway,
        wires(gateway, 1) as [idle],
    ):
        load = Load(gateway.port, world.token(), 32)
        assert wait_for(lambda: load.answered > 200, timeout=20)
        started = time.monotonic()
        os.kill(gateway.pid or 0, signal.SIGTERM)
        assert idle.rest() == b""
        load.join()
        process = gateway._process
        assert process is not None
        assert wait_for(lambda: process.status() is not None, timeout=10)
        assert process.status() == 0
        assert time.monotonic() - started < 5
        assert load.lost == []
        assert gateway.log.read_text().count(' endpoint="query" ') == load.answered


def test_a_rolling_restart_behind_haproxy_loses_no_request(world, tmp_path):
    with (
        Recorder(_slowly) as upstream,
        world.gateway_for(upstream.url) as first,
        world.gateway_for(upstream.url) as second,
        HAProxy(tmp_path, [first, second]) as haproxy,
    ):
        load = Load(haproxy.port, world.token(), 16)
        try:
            for gateway in (first, second):
                assert load.wait_for_more(200)
                gateway.stop()
                gateway.start()
                gateway.wait_ready()
                # HAProxy sends requests to a restarted gateway after two successful checks, one every 2 s.
                assert wait_for(partial(_has_answered, gateway), timeout=20)
        finally:
            load.stop()
        assert load.lost == []


def test_a_request_that_outlasts_the_drain_is_aborted(world):
    with (
        Recorder(lambda _: time.sleep(5)) as upstream,
        world.gateway_for(
            upstream.url, gateway={"drain_seconds": "0.5"}, prometheus={"timeout": "30"}
        ) as gateway,
        Wire(("127.0.0.1", gateway.port)) as client,
    ):
        client.send(request(world.token()))
        assert wait_for(lambda: b"/api/v1/query" in upstream.received, timeout=5)
        os.kill(gateway.pid or 0, signal.SIGTERM)
        assert client.rest() == b""
        process = gateway._process
        assert process is not None
        assert wait_for(lambda: process.status() == 0, timeout=5)


def test_sighup_with_an_invalid_policy_keeps_the_previous_one(world):
    with world.gateway_for(gateway={"workers": "2"}) as gateway:
        token = world.token()
        assert ask(gateway, token).status == 200

        def reload(text: str, said: str) -> None:
            before = gateway.log.read_text().count(said)
            gateway.policy_file.write_text(text)
            os.kill(gateway.pid or 0, signal.SIGHUP)
            assert wait_for(lambda: gateway.log.read_text().count(said) >= before + 2, timeout=5)

        reload("telemetry:query: [ this is: not YAML", "stays in force")
        assert {ask(gateway, token).status for _ in range(10)} == {200}
        reload("telemetry:query: role:nobody\ntelemetry:query:all_projects: role:nobody\n", "is in force")
        assert {ask(gateway, token).status for _ in range(10)} == {403}
        reload("{}", "is in force")
        assert {ask(gateway, token).status for _ in range(10)} == {200}


def _logs_refusals(gateway: Gateway) -> bool:
    """Return whether the gateway's log has the level DEBUG, at which it reports malformed requests."""
    with Wire(("127.0.0.1", gateway.port)) as client:
        client.send(b"nonsense\r\n\r\n")
        assert statuses(client.rest()) == [400]
    return " DEBUG chrysaetos.http" in gateway.log.read_text()


def test_sighup_changes_the_log_level_and_ignores_an_invalid_configuration(world):
    with world.gateway_for() as gateway:
        token = world.token()
        assert not _logs_refusals(gateway)
        good = gateway.config_file.read_text()
        gateway.config_file.write_text(f"[DEFAULT]\ndebug = true\n{good}")
        os.kill(gateway.pid or 0, signal.SIGHUP)
        assert wait_for(lambda: _logs_refusals(gateway), timeout=5)
        gateway.config_file.write_text("this is no configuration")
        os.kill(gateway.pid or 0, signal.SIGHUP)
        assert wait_for(lambda: "the previous one stays in force" in gateway.log.read_text(), timeout=5)
        assert ask(gateway, token).status == 200


def test_a_disconnect_aborts_the_upstream_request(world):
    with (
        Recorder(lambda _: None) as upstream,
        world.gateway_for(upstream.url, prometheus={"timeout": "30"}) as gateway,
    ):
        token = world.token()
        resting = upstream.open
        with wires(gateway, 5) as clients:
            for number, client in enumerate(clients):
                client.send(request(token, f"{QUERY}{number}"))
            assert wait_for(lambda: upstream.received.count(b"/api/v1/query") == 5, timeout=5)
            assert upstream.open >= 5
        assert wait_for(lambda: upstream.open <= resting, timeout=3)
        assert ask(gateway, "nonsense").status == 401


def test_500_slow_clients_do_not_block_others(world, gateway):
    token = world.token()
    assert ask(gateway, token).status == 200
    with wires(gateway, 500, request(token)[:-2]) as slow:
        started = time.monotonic()
        meanwhile = [ask(gateway, token) for _ in range(10)]
        assert {answer.status for answer in meanwhile} == {200}
        assert max(answer.seconds for answer in meanwhile) < 1.0
        # They are not faster than the other requests.
        assert {tuple(statuses(client.rest())) for client in slow} == {(408,)}
        assert time.monotonic() - started < 10


def test_many_requests_with_a_new_token_are_one_call_to_keystone(world, gateway):
    token = world.token()
    assert ask(gateway, world.token()).status == 200
    before = world.keystone.relay.sent.count(VALIDATION)
    with wires(gateway, 200) as clients:
        for client in clients:
            client.send(request(token))
        assert {tuple(statuses(client.answer())) for client in clients} == {(200,)}
    assert world.keystone.relay.sent.count(VALIDATION) == before + 1


def test_unknown_tokens_are_throttled_after_too_many(world):
    unknown = [new_secret() for _ in range(1000)]
    token = world.token()
    seen = set()
    slowest = 0.0
    with world.gateway_for() as gateway, wires(gateway, 50) as clients:
        assert ask(gateway, token).status == 200
        before = world.keystone.relay.sent.count(VALIDATION)
        started = time.monotonic()
        for start in range(0, len(unknown), len(clients)):
            for _ in range(2):
                for client, one in zip(clients, unknown[start:], strict=False):
                    client.send(request(one))
                slowest = max(slowest, ask(gateway, token).seconds)
                seen |= {status for client in clients for status in statuses(client.answer())}
        # auth_failures_burst, and auth_failures_per_second from then on
        allowed = 100 + 10 * (time.monotonic() - started) + 1
    assert seen == {401, 429}
    assert slowest < 1.0
    assert world.keystone.relay.sent.count(VALIDATION) - before <= allowed


def test_memcached_is_stopped(world, tmp_path):
    port = free_port()
    command = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-u", "nobody"]
    memcached = Process("memcached", command, log=tmp_path / "memcached.log")
    try:
        options = {"memcached_servers": f"127.0.0.1:{port}"}
        with world.gateway_for(keystone_authtoken=options) as gateway:
            first, second = world.token(), world.token()
            assert ask(gateway, first).status == 200
            memcached.stop(grace=0.5)
            assert ask(gateway, first).status == 200
            assert ask(gateway, second).status == 200
            os.kill(gateway.pid or 0, signal.SIGTERM)
            process = gateway._process
            assert process is not None
            assert wait_for(lambda: process.status() == 0, timeout=5)
    finally:
        memcached.stop(grace=0.5)
