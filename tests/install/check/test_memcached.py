"""memcached. End-to-end tests have servers that are down, and those of something else."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

from chrysaetos.findings import Status
from chrysaetos.install.check.memcached import check_memcached


@contextmanager
def memcached(family: int, address):
    """Run a server that answers to one client like memcached, and yield its address."""
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                if connection.recv(64):
                    connection.sendall(b"VERSION 1.6.18\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()
        thread.join()


def check(make_setup, servers: str, options: str = ""):
    setup = make_setup()
    section = setup.conf.keystone_authtoken
    setup.conf.set_override("memcached_servers", [servers], group="keystone_authtoken")
    setup.conf.set_override("memcache_security_strategy", "MAC", group="keystone_authtoken")
    for name in options.split():
        setup.conf.set_override(name, True, group="keystone_authtoken")
    assert section.memcached_servers == [servers]
    (finding,) = check_memcached(setup)
    return finding


@pytest.mark.parametrize(("options", "count"), [({}, 1), ({"memcache_sasl_enabled": True}, 0)])
def test_entries_that_anybody_can_write_are_reported(make_setup, options, count):
    setup = make_setup()
    for name, value in {"memcached_servers": ["127.0.0.1:1"], **options}.items():
        setup.conf.set_override(name, value, group="keystone_authtoken")
    found = [finding for finding in check_memcached(setup) if "act as any user" in finding.found]
    assert [finding.status for finding in found] == [Status.WARNING] * count


@pytest.mark.parametrize("form", ["{0}:{1}", "inet:{0}:{1}"])
def test_a_server_that_answers_is_right(make_setup, form):
    with memcached(socket.AF_INET, ("127.0.0.1", 0)) as address:
        assert check(make_setup, form.format(*address)).status is Status.OK


def test_an_ipv6_address_is_in_brackets(make_setup):
    with memcached(socket.AF_INET6, ("::1", 0)) as address:
        assert check(make_setup, f"inet6:[::1]:{address[1]}").status is Status.OK


def test_a_unix_socket(make_setup, tmp_path):
    with memcached(socket.AF_UNIX, str(tmp_path / "memcached.sock")) as address:
        assert check(make_setup, f"unix:{address}").status is Status.OK


def test_with_sasl_a_connection_is_enough(make_setup):
    with memcached(socket.AF_INET, ("127.0.0.1", 0)) as (host, port):
        finding = check(make_setup, f"{host}:{port}", "memcache_sasl_enabled")
    assert finding.status is Status.OK


def test_no_servers_no_finding(make_setup):
    assert list(check_memcached(make_setup())) == []
