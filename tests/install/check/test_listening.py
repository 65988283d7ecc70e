"""The kernel's tables of sockets, Unix sockets, and the limit of open files."""

from __future__ import annotations

import os
import resource
import socket
import sys
from contextlib import closing

import pytest
from tests.fakes.metrics_server import MetricsServer, Reply

from chrysaetos.findings import Status
from chrysaetos.install.check import listening, probing
from chrysaetos.install.check.listening import check_addresses, check_exposure, check_file_limit, listeners

EVERYWHERE = "0.0.0.0"  # noqa: S104  # of the kernel's table, nothing listens there
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 1 1 0\n"


def words(address: str) -> str:
    """Return an address as in the kernel's tables."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    parts = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(part, sys.byteorder):08X}" for part in parts)


@pytest.fixture
def proc(tmp_path):
    """Return a function that writes the tables with listening sockets on port 9090."""

    def write(*addresses: str):
        tables = {"tcp": HEADER, "tcp6": HEADER}
        for address in addresses:
            line = LINE.format(address=words(address), port=9090, state="0A")
            tables["tcp6" if ":" in address else "tcp"] += line
        tables["tcp"] += LINE.format(address=words("192.0.2.7"), port=9090, state="01")
        tables["tcp"] += LINE.format(address=words("192.0.2.8"), port=9091, state="0A")
        for name, text in tables.items():
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def test_listeners_are_those_of_the_port(proc):
    found = listeners(9090, proc("127.0.0.1", "192.0.2.5", "::1", "2001:db8::1"))
    assert [str(address) for address in found] == ["127.0.0.1", "192.0.2.5", "2001:db8::1", "::1"]


def test_the_kernel_shows_a_socket_of_this_process():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert [str(each) for each in listeners(sock.getsockname()[1])] == ["127.0.0.1"]


def test_no_table_is_no_listener(tmp_path):
    assert listeners(9090, tmp_path) == []


@pytest.mark.parametrize("address", [EVERYWHERE, "::", "192.0.2.5", "2001:db8::1"])
def test_a_prometheus_that_others_can_reach_is_a_warning(make_setup, proc, address):
    (finding,) = check_exposure(make_setup("[prometheus]\nhost = 127.0.0.1\n"), proc("127.0.0.1", address))
    assert finding.status is Status.WARNING
    assert address in finding.found


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "::1"])
def test_a_prometheus_on_loopback_is_right(make_setup, proc, address):
    (finding,) = check_exposure(make_setup("[prometheus]\nhost = localhost\n"), proc(address))
    assert finding.status is Status.OK


def test_a_prometheus_on_another_machine_is_not_looked_at(make_setup, proc):
    (finding,) = check_exposure(make_setup("[prometheus]\nhost = 192.0.2.9\n"), proc(EVERYWHERE))
    assert finding.status is Status.SKIPPED


def test_a_low_limit_of_open_files_is_a_warning(make_setup, monkeypatch):
    setup = make_setup("[prometheus]\nreplicas = 127.0.0.1:9091\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 2000))
    finding = check_file_limit(setup)
    assert finding.status is Status.WARNING
    assert finding.found.startswith("only 1440 clients can be connected instead of 2000")
    for hard in (65536, resource.RLIM_INFINITY):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (1024, hard))
        assert check_file_limit(setup).status is Status.OK


def addresses_finding(make_setup, path, *, offline: bool = False):
    result = check_addresses(make_setup(f"[gateway]\nunix_socket = {path}\n"), offline=offline)
    assert not result.running
    (finding,) = result.findings
    return finding


def test_a_socket_in_a_directory_that_cannot_be_entered_is_an_error(make_setup, tmp_path):
    # Unlike a directory without permissions, this is an error for root as well.
    finding = addresses_finding(make_setup, tmp_path / ("x" * 300) / "gateway.sock")
    assert finding.status is Status.FAILED
    assert "this user cannot create a file in" in finding.found


def test_a_socket_that_nothing_listens_on_is_right(make_setup, tmp_path):
    path = tmp_path / "gateway.sock"
    assert addresses_finding(make_setup, path).status is Status.OK
    with closing(socket.socket(socket.AF_UNIX)) as left_behind:
        left_behind.bind(str(path))
    assert addresses_finding(make_setup, path).status is Status.OK
    assert addresses_finding(make_setup, "/run/nowhere/gateway.sock").status is Status.OK


def test_a_socket_of_another_program_is_an_error(make_setup, tmp_path):
    path = tmp_path / "gateway.sock"
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(path))
        sock.listen(0)
        assert addresses_finding(make_setup, path, offline=True).status is Status.SKIPPED


def test_a_file_in_place_of_the_socket_is_an_error(make_setup, tmp_path):
    path = tmp_path / "gateway.sock"
    path.touch()
    assert addresses_finding(make_setup, path).remedy == "remove the file"


def test_a_socket_that_systemd_holds_is_not_an_error(make_setup, tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 0.2)
    path = tmp_path / "gateway.sock"
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(path))
        sock.listen(8)
        finding = addresses_finding(make_setup, path)
    assert finding.status is Status.SKIPPED
    assert "systemd" in finding.found


def test_a_user_who_may_not_connect_cannot_tell(make_setup, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(listening, "get", refuse)
    path = tmp_path / "gateway.sock"
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(path))
        assert addresses_finding(make_setup, path).status is Status.SKIPPED


def test_the_default_port_may_be_unused_with_sockets_from_systemd(make_setup):
    with MetricsServer([Reply(404, b"")]) as server:
        port = int(server.url.rpartition(":")[2])
        setup = make_setup()
        setup.conf.set_default("port", port, group="gateway")
        (finding,) = check_addresses(setup, offline=False).findings
    assert finding.status is Status.WARNING
    assert "the default address" in finding.found


def metrics_finding(make_setup, path, server: MetricsServer, *, offline: bool = False):
    port = server.url.rpartition(":")[2]
    setup = make_setup(f"[gateway]\nunix_socket = {path}\nmetrics_port = {port}\n")
    return check_addresses(setup, offline=offline).findings[-1]


def test_a_port_of_the_metrics_that_is_in_use_is_an_error(make_setup, tmp_path):
    with MetricsServer(lambda _: Reply(404, b"")) as server:
        assert metrics_finding(make_setup, tmp_path / "gateway.sock", server).status is Status.FAILED


def test_a_running_gateway_may_use_the_port_of_the_metrics(make_setup, tmp_path, monkeypatch):
    monkeypatch.setattr(probing, "SECONDS", 0.5)
    path = tmp_path / "gateway.sock"
    pages = {b"# HELP x y\nchrysaetos_ready 1\n": Status.OK, b"node_load1 1\n": Status.FAILED}
    with closing(socket.socket(socket.AF_UNIX)) as held:
        held.bind(str(path))
        held.listen(8)
        for page, expected in pages.items():
            with MetricsServer([Reply(200, page)]) as server:
                assert metrics_finding(make_setup, path, server).status is expected
                assert metrics_finding(make_setup, path, server, offline=True).status is Status.WARNING
