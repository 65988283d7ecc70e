"""The servers of memcached that gateways share validated tokens in."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from chrysaetos.findings import ok, warning
from chrysaetos.identity.settings import GROUP
from chrysaetos.install.check.probing import FAILURES, SECONDS, describe, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.findings import Finding
    from chrysaetos.install.check.configuration import Setup

__all__ = ["check_memcached"]

_CHECK = "memcached"
_PORT = 11211


def check_memcached(setup: Setup) -> Iterator[Finding]:
    """Check that each server answers, and that what is stored there is protected.

    Without an answer, Keystone validates each token.
    """
    section = setup.conf[GROUP]
    if not section.memcached_servers:
        return
    if section.memcache_security_strategy.lower() == "none" and not section.memcache_sasl_enabled:
        yield warning(
            _CHECK,
            "whoever can write to memcached can act as any user",
            f"set memcache_security_strategy = ENCRYPT and memcache_secret_key in [{GROUP}]",
        )
    # With TLS or SASL a server does not answer to the text protocol without more.
    plain = not (section.memcache_tls_enabled or section.memcache_sasl_enabled)
    for server in section.memcached_servers:
        try:
            version = within(_ask_version, server, plain=plain)
        except FAILURES as error:
            yield warning(
                _CHECK,
                f"memcached at {server} {describe(error)}",
                f"check memcached_servers in [{GROUP}], that memcached is running, and the firewall",
            )
            continue
        if plain and not version.startswith("VERSION"):
            yield warning(
                _CHECK, f"{server} does not answer like memcached", f"check memcached_servers in [{GROUP}]"
            )
        else:
            yield ok(_CHECK, f"memcached at {server} answers")


def _ask_version(server: str, *, plain: bool) -> str:
    """Return the answer to the command ``version``; empty if it was not sent."""
    if server.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(SECONDS)
        sock.connect(server.removeprefix("unix:"))
    else:
        host, _, port = server.removeprefix("inet6:").removeprefix("inet:").rpartition(":")
        if not port.isdecimal():
            host, port = server, str(_PORT)
        sock = socket.create_connection((host.strip("[]"), int(port)), SECONDS)
    with sock:
        if not plain:
            return ""
        sock.sendall(b"version\r\n")
        return sock.recv(1024).decode("ascii", "replace")
