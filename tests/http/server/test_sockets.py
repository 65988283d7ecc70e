"""Sockets to listen on."""

import os
import socket
import ssl
import stat
import subprocess

import pytest
import trustme

from chrysaetos.errors import ConfigError
from chrysaetos.http.server.sockets import describe, inherited, listen_tcp, listen_unix, tls_context


def close(sockets):
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tcp_socket_listens(host):
    sockets = listen_tcp(host, 0)
    for sock in sockets:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert not sock.getblocking()
    assert describe(sockets[0]).endswith(f"port {sockets[0].getsockname()[1]}")
    close(sockets)


def test_address_in_use_is_named():
    sockets = listen_tcp("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    with pytest.raises(ConfigError, match=rf"\[gateway\] host and port: .* 127.0.0.1 port {port}"):
        listen_tcp("127.0.0.1", port)
    close(sockets)


def test_host_without_an_address_is_named():
    with pytest.raises(ConfigError, match=r"\[gateway\] host: 'nowhere.invalid'"):
        listen_tcp("nowhere.invalid", 0)


def test_unix_socket_is_for_user_and_group(tmp_path):
    path = tmp_path / "s"
    (sock,) = listen_unix(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert describe(sock) == str(path)
    with pytest.raises(ConfigError, match=r"\[gateway\] unix_socket"):
        listen_unix(str(path))
    sock.close()
    close(listen_unix(str(path)))


def test_other_files_are_not_removed(tmp_path):
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
def test_sockets_for_another_process_are_not_used(environment):
    before = dict(environment)
    assert inherited(environment) == []
    assert environment == before


@pytest.fixture
def certified(tmp_path):
    """Return the paths of a certificate and its key."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_https_requires_tls_1_2(certified):
    context = tls_context(*certified)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


def test_invalid_certificate_is_named(certified, tmp_path):
    certificate, key = certified
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(str(other))
    encrypted = tmp_path / "encrypted.pem"
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:x", "-in", str(key), "-out", str(encrypted)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    for pair in (
        (tmp_path / "none", key),
        (certificate, other),
        (key, certificate),
        (certificate, encrypted),
    ):
        with pytest.raises(ConfigError, match="cannot be used"):
            tls_context(*pair)
