"""Sockets to listen on."""

import os
import socket
import stat

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.listeners import describe, inherited, listen_tcp, listen_unix


def close(sockets):
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_tcp_socket_listens(host):
    sockets = listen_tcp(host, 0)
    for sock in sockets:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not sock.getblocking()
    assert describe(sockets[0]).endswith(f"port {sockets[0].getsockname()[1]}")
    close(sockets)


def test_an_address_that_is_taken_is_named():
    sockets = listen_tcp("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(ConfigError, match=rf"\[gateway\] host and port: .* 127.0.0.1 port {port}"):
        listen_tcp("127.0.0.1", port)
    close(sockets)


def test_a_host_without_an_address_is_named():
    with pytest.raises(ConfigError, match=r"\[gateway\] host: 'nowhere.invalid'"):
        listen_tcp("nowhere.invalid", 0)


def test_a_unix_socket_is_for_user_and_group(tmp_path):
    path = tmp_path / "s"
    (sock,) = listen_unix(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert describe(sock) == str(path)
    with pytest.raises(ConfigError, match=r"\[gateway\] unix_socket"):
        listen_unix(str(path))
    sock.close()
    close(listen_unix(str(path)))


def test_what_is_not_a_socket_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="unix_socket"):
        listen_unix(str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_sockets_for_somebody_else_are_not_taken(environment):
    before = dict(environment)
    assert inherited(environment) == []
    assert environment == before
