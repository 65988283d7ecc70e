"""Create listening sockets (from systemd, TCP or Unix) and the TLS context of the server."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["BACKLOG", "describe", "inherited", "listen_tcp", "listen_unix", "load_certificate", "tls_context"]

BACKLOG = 2048
"""Connections that the kernel holds until they are accepted. It drops further ones, and their clients try
again after a second, or three."""
_FIRST_FD = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""


def inherited(environment: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets that systemd passes on (socket activation), none without socket activation.

    The variables are removed from the environment because they are meant for this process only.

    Raises:
        ConfigError: a descriptor is not a listening socket.
    """
    pid, count = environment.get("LISTEN_PID"), environment.get("LISTEN_FDS")
    if pid != str(os.getpid()) or not count or not count.isdecimal():
        return []
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environment.pop(name, None)
    sockets = []
    for number in range(_FIRST_FD, _FIRST_FD + int(count)):
        try:
            os.set_inheritable(number, False)  # noqa: FBT003  # positional by its signature
            sock = socket.socket(fileno=number)
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise ConfigError(f"LISTEN_FDS: descriptor {number} cannot be used: {error.strerror}") from error
        if not listens or sock.type != socket.SOCK_STREAM:
            raise ConfigError(f"LISTEN_FDS: descriptor {number} is not a listening stream socket")
        sock.settimeout(0)
        sockets.append(sock)
    return sockets


def listen_tcp(
    host: str, port: int, options: tuple[str, str] = ("[gateway] host", "port")
) -> list[socket.socket]:
    """Return a listening socket for each address of a host.

    Args:
        host: name or address.
        port: TCP port.
        options: the names of the options for host and port, for the error.

    Raises:
        ConfigError: the host has no address, or an address is in use.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"{options[0]}: {host!r} has no address: {error.strerror}") from error
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        sock = socket.socket(family, kind, protocol)
        sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # IPv4 addresses have a socket of their own.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError as error:
            for opened in sockets:
                opened.close()
            raise ConfigError(
                f"{' and '.join(options)}: cannot listen on {address[0]} port {port}: {error.strerror}"
            ) from error
        sock.settimeout(0)
    return sockets


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context to serve HTTPS with TLS 1.2 or later (RFC 8996).

    Raises:
        ConfigError: the certificate or its key is missing or invalid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_certificate(context, certificate, key)
    return context


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load a certificate and its key for new connections.

    Raises:
        ConfigError: the certificate or its key is missing or invalid. The context keeps its previous ones.
    """
    try:
        # Checked in a new context first: a key that does not match would leave its certificate behind.
        for target in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
            # An empty password: OpenSSL must not prompt for that of an encrypted key.
            target.load_cert_chain(certificate, key, password=str)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate {certificate} or its key {key} cannot be used: {error}"
        ) from error


def listen_unix(path: str) -> list[socket.socket]:
    """Return a Unix socket that this user and group can connect to.

    Raises:
        ConfigError: the path is invalid, or another process listens on it.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)
    try:
        _remove_stale(path)
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigError(f"[gateway] unix_socket: cannot listen on {path}: {error.strerror}") from error
    finally:
        os.umask(mask)
    sock.settimeout(0)
    return [sock]


def describe(sock: socket.socket) -> str:
    """Return the socket's address, for the log."""
    address = sock.getsockname()
    return f"{address[0]} port {address[1]}" if isinstance(address, tuple) else str(address)


def _remove_stale(path: str) -> None:
    """Remove a socket that no process listens on; any other file makes ``bind`` fail."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
