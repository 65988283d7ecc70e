"""The gateway as a process: its sockets, its reports to systemd, and its shutdown."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.wire import Recorder, Wire, statuses

from chrysaetos.demo.processes import wait_for
from chrysaetos.http.server import runner
from chrysaetos.http.server.limits import ServerLimits

ALIVE = b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n"
QUERY = b"GET /api/v1/query?query=up HTTP/1.1\r\nHost: h\r\n\r\n"


class Service:
    """A gateway without Keystone, and a fake service manager."""

    def __init__(self, directory, upstream, **options):
        self.upstream = upstream
        self.config = directory / "aetos.conf"
        (directory / "policy.yaml").write_text("{}")
        lines = [
            "[DEFAULT]\nauth_mode = noauth\n[prometheus]\nhost = 127.0.0.1",
            f"port = {upstream.port}\n[oslo_policy]\npolicy_file = {directory / 'policy.yaml'}\n[gateway]",
            *(f"{name} = {value}" for name, value in options.items()),
        ]
        self.config.write_text("\n".join(lines))
        self.log = directory / "log"
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.settimeout(20)
        self.manager.bind(str(directory / "notify"))
        self._environment = {**os.environ, "NOTIFY_SOCKET": str(directory / "notify")}

    def start(self, listener=None):
        command = [sys.executable, "-m", "chrysaetos", "gateway", "--config-file", str(self.config)]
        environment = self._environment
        if listener is not None:
            # As systemd does: the socket is descriptor 3, and LISTEN_PID is the program's.
            command = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0', "sh", *command]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=listener or subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def told(self):
        return self.manager.recv(1000).partition(b"\n")[0].decode()

    def workers(self):
        """Return the pids of the workers (proc_pid_task(5))."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.manager.close()


@contextmanager
def service(directory, listener=None, reply=None, **options):
    with Recorder(reply) as upstream:
        running = Service(directory, upstream, **options)
        try:
            running.start(listener)
            yield running
        finally:
            running.end()


def ask(address, request=ALIVE):
    with Wire(address) as client:
        client.send(request)
        return statuses(client.answer())


@pytest.mark.parametrize("workers", [1, 2])
def test_serves_a_unix_socket_and_notifies_systemd(tmp_path, workers):
    path = str(tmp_path / "gateway.sock")
    with service(tmp_path, unix_socket=path, workers=workers) as running:
        assert running.told() == "READY=1"
        assert ask(path) == [200]
        assert ask(path, QUERY) == [200]
        running.process.send_signal(signal.SIGHUP)
        assert [running.told(), running.told()] == ["RELOADING=1", "READY=1"]
        assert ask(path) == [200]
        running.process.terminate()
        assert running.told() == "STOPPING=1"
        assert running.process.wait(10) == 0
        assert not (tmp_path / "gateway.sock").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_rejected_requests_are_audited_and_shutdown_writes_all_lines(tmp_path, workers):
    path = str(tmp_path / "gateway.sock")
    with service(tmp_path, unix_socket=path, workers=workers) as running:
        assert running.told() == "READY=1"
        assert ask(path, b"GET /\x1b[31m HTTP/1.1\r\nX-Auth-Token: secret\r\n\r\n") == [400]
        assert ask(path, QUERY) == [200]
        running.process.terminate()
        assert running.process.wait(10) == 0
        log = running.log.read_text()
    lines = [line for line in log.splitlines() if " INFO chrysaetos.audit [-] time=" in line]
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    (refused,) = (line for line in lines if " status=400 " in line)
    assert ' error="bad_data" reason="the request line is malformed" ' in refused
    assert "secret" not in log


@pytest.mark.parametrize("workers", [1, 2])
def test_restart_with_a_socket_from_systemd_loses_no_request(tmp_path, workers):
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        service(tmp_path, listener, workers=workers, port=1) as running,
    ):
        address = listener.getsockname()
        assert running.told() == "READY=1"
        assert ask(address, QUERY) == [200]
        running.process.terminate()
        assert running.told() == "STOPPING=1"
        assert running.process.wait(10) == 0
        with Wire(address) as client:
            client.send(QUERY)
            running.start(listener)
            assert running.told() == "READY=1"
            assert statuses(client.answer()) == [200]


def test_worker_that_replaces_another_one_has_its_options(tmp_path):
    path = str(tmp_path / "gateway.sock")
    with service(tmp_path, unix_socket=path, workers=2) as running:
        assert running.told() == "READY=1"
        running.config.write_text("[prometheus]\nport = none\n")
        before = running.workers()
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        assert wait_for(lambda: len(set(running.workers()) - set(before)) == 2, timeout=10)
        assert ask(path, QUERY) == [200]


@pytest.mark.parametrize("workers", [1, 2])
def test_unix_socket_of_the_next_gateway_stays(tmp_path, workers):
    path = str(tmp_path / "gateway.sock")

    def slowly(peer):
        time.sleep(1)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with service(tmp_path, unix_socket=path, reply=slowly, workers=workers) as running:
        assert running.told() == "READY=1"
        before = running.process
        with Wire(path) as client:
            client.send(QUERY)
            assert wait_for(lambda: b"/api/v1/query" in running.upstream.received, timeout=5)
            before.terminate()
            assert running.told() == "STOPPING=1"
            running.start()
            assert statuses(client.answer()) == [200]
        assert before.wait(10) == 0
        assert running.told() == "READY=1"
        assert ask(path) == [200]


def test_path_of_a_socket_from_systemd_stays(tmp_path):
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with service(tmp_path, listener, unix_socket=path) as running:
            assert running.told() == "READY=1"
            running.process.terminate()
            assert running.process.wait(10) == 0
        assert path.is_socket()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_to_the_process_group_counts_once(tmp_path, number):
    path = str(tmp_path / "gateway.sock")

    def slowly(peer):
        time.sleep(1)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with service(tmp_path, unix_socket=path, reply=slowly, workers=2) as running:
        assert running.told() == "READY=1"
        with Wire(path) as client:
            client.send(QUERY)
            assert wait_for(lambda: b"/api/v1/query" in running.upstream.received, timeout=5)
            os.killpg(running.process.pid, number)
            assert statuses(client.rest()) == [200]
        assert running.process.wait(5) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_second_signal_aborts_requests(tmp_path, workers):
    path = str(tmp_path / "gateway.sock")
    with service(tmp_path, unix_socket=path, reply=lambda _: time.sleep(5), workers=workers) as running:
        assert running.told() == "READY=1"
        with Wire(path) as client:
            client.send(QUERY)
            assert wait_for(lambda: b"/api/v1/query" in running.upstream.received, timeout=5)
            running.process.terminate()
            assert running.told() == "STOPPING=1"
            time.sleep(0.3)
            running.process.terminate()
            assert running.process.wait(4) == 0
            assert statuses(client.rest()) in ([], [503])


@pytest.mark.parametrize("workers", [1, 2])
def test_address_in_use_fails_the_start_with_one_line(tmp_path, workers):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        service(tmp_path, port=taken.getsockname()[1], workers=workers) as running,
    ):
        assert running.process.wait(20) == 2
        assert "chrysaetos gateway: [gateway] host and port: cannot listen" in running.log.read_text()


def test_socket_from_systemd_must_listen(tmp_path):
    with socket.socket() as sock, service(tmp_path, sock) as running:
        assert running.process.wait(20) == 2
        assert "LISTEN_FDS: descriptor 3 is not a listening stream socket" in running.log.read_text()


@pytest.mark.parametrize(
    ("files", "reserved", "most"),
    [(1024, 100, 764), (48, 100, 12), (4096, 100, 2000), (2260, 100, 2000), (2259, 100, 1999)],
)
def test_connections_fit_into_the_limit_of_open_files(monkeypatch, caplog, files, reserved, most):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    limits = runner._fit_into_file_limit(ServerLimits(connections=2000), reserved)
    assert limits.connections == most
    assert len(caplog.records) == (most < 2000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert runner._fit_into_file_limit(ServerLimits(connections=2000), reserved).connections == 2000


PROCESS = """
import asyncio, gc, os, signal
from chrysaetos.http.server.limits import ServerLimits
from chrysaetos.http.server.runner import Process

class App:
    async def start(self):
        pass

    async def close(self):
        pass

def ready():
    # What was made at the start is spared, and requests make garbage more slowly than collections are due.
    print(len(gc.get_objects()) < gc.get_freeze_count() / 100, gc.get_threshold()[0])
    os.kill(os.getpid(), signal.SIGTERM)

process = Process(app=App(), sockets=(), limits=ServerLimits(), drain_seconds=1, reload=print, ready=ready,
    watch=lambda _: None, on_refused=lambda _: [])
raise SystemExit(process.run())
"""


def test_garbage_collection_spares_what_exists_before_the_first_request():
    ended = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout.split() == ["True", "20000"]
