"""Listening sockets: the gateway's own, and those of Prometheus on this machine."""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.findings import Finding, Status, failed, ok, warning
from chrysaetos.gateway.trusted_proxies import load_trusted_proxies
from chrysaetos.http.server.runner import most_clients
from chrysaetos.http.server.sockets import listen_tcp
from chrysaetos.http.upstream.pool import UpstreamOptions
from chrysaetos.install.check.configuration import is_set
from chrysaetos.install.check.probing import FAILURES, get, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

    from chrysaetos.install.check.configuration import Setup
    from chrysaetos.install.check.probing import Reply

__all__ = ["Addresses", "check_addresses", "check_exposure", "check_file_limit", "from_gateway", "listeners"]

_CHECK = "address"
_LISTEN = "0A"
"""TCP_LISTEN of Linux's tcp_states.h."""
_PROXY_HEADER = b"PROXY UNKNOWN\r\n"
"""The PROXY protocol's header of a proxy that names no client, such as for a health check."""
_RUNTIME = Path("/run")
"""systemd creates directories below it when it starts a socket unit."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """What listens on the addresses of the gateway.

    Attributes:
        findings: the findings.
        running: whether a gateway listens there.
    """

    findings: tuple[Finding, ...]
    running: bool = False


def check_addresses(setup: Setup, *, offline: bool) -> Addresses:
    """Check that the gateway can listen on its address and on that of its metrics."""
    section = setup.conf.gateway
    place = section.unix_socket or f"{section.host} port {section.port}"
    problem = _unix_problem(section.unix_socket) if section.unix_socket else _tcp_problem(setup)
    result = Addresses((ok(_CHECK, f"the gateway can listen on {place}"),) if problem is None else (problem,))
    if problem is not None and problem.status is Status.SKIPPED and not offline:
        result = _identify_listener(setup, place)
    if result.running or not section.metrics_port:
        return result
    ports = range(section.metrics_port, section.metrics_port + section.workers)
    taken = [port for port in ports if not _is_free(section.metrics_host, port)]
    if not taken:
        return Addresses((*result.findings, ok(_CHECK, "the port of the metrics is free")), result.running)
    found = f"[gateway] metrics_port: port {taken[0]} on {section.metrics_host} is in use or not available"
    # A gateway that has its address may be running, and use this port as well.
    may_run = result.findings[0].status is Status.SKIPPED
    if may_run and not offline and _serves_metrics(section.metrics_host, taken[0]):
        return Addresses((*result.findings, ok(_CHECK, f"a gateway serves its metrics on port {taken[0]}")))
    if may_run and offline:
        metrics = warning(_CHECK, found, "ignore this if the gateway is running, or set another metrics_port")
    else:
        metrics = failed(_CHECK, found, "set another metrics_port; each worker needs a port of its own")
    return Addresses((*result.findings, metrics))


def _tcp_problem(setup: Setup) -> Finding | None:
    """Return why the gateway cannot listen on its port. It is ``skipped`` if a process listens there."""
    section = setup.conf.gateway
    try:
        for sock in listen_tcp(section.host, section.port):
            sock.close()
    except ConfigError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
            return Finding(_CHECK, Status.SKIPPED, f"{section.host} port {section.port} is in use")
        return failed(_CHECK, str(error), "set host to an address of this machine, and port above 1023")
    return None


def _unix_problem(path: str) -> Finding | None:
    """Return why the gateway cannot create its socket. It is ``skipped`` if a process may listen on it."""
    file, folder = Path(path), Path(path).parent
    if os.access(folder, os.X_OK):
        if file.is_socket():
            return Finding(_CHECK, Status.SKIPPED, f"{path} exists")
        if file.exists():
            return failed(_CHECK, f"[gateway] unix_socket: {path} is not a socket", "remove the file")
    if folder.is_relative_to(_RUNTIME):
        return None
    if not os.access(folder, os.W_OK):
        return failed(
            _CHECK,
            f"[gateway] unix_socket: this user cannot create a file in {folder}",
            "create the directory, owned by the gateway's user, and run this check as that user (--user)",
        )
    return None


def _identify_listener(setup: Setup, place: str) -> Addresses:
    """Return whether the process that listens on the gateway's address is a gateway."""
    section = setup.conf.gateway
    server = _server(section.host, section.port)
    proxies = load_trusted_proxies(setup.conf)
    as_proxy = proxies is not None and proxies.trusts("" if section.unix_socket else server.host)
    preface = _PROXY_HEADER if section.proxy_protocol and as_proxy else b""
    try:
        reply = get(server, "/-/healthy", unix_socket=section.unix_socket, preface=preface)
    except ConnectionRefusedError:
        return Addresses((ok(_CHECK, f"nothing listens on {place}"),))
    except PermissionError:
        return Addresses(
            (Finding(_CHECK, Status.SKIPPED, f"{place} exists; this user cannot connect to it"),)
        )
    except TimeoutError:
        waiting = Finding(
            _CHECK,
            Status.SKIPPED,
            f"{place} is in use and does not answer: systemd may hold it until the gateway has started",
        )
        return Addresses((waiting,))
    except FAILURES:
        reply = None
    if reply is not None and from_gateway(reply):
        return Addresses((ok(_CHECK, f"a gateway listens on {place}"),), running=True)
    find = f"ss -xlp src {place}" if section.unix_socket else f"ss -tlnp sport = :{section.port}"
    in_use = f"another process listens on {place}"
    if section.unix_socket or is_set(setup.conf, "port", "gateway") or is_set(setup.conf, "host", "gateway"):
        return Addresses(
            (failed(_CHECK, in_use, f"find it with: {find}; or set another address in [gateway]"),)
        )
    # With sockets from systemd, the default is not used.
    unset = f"set [gateway] host and port, or unix_socket, to where the gateway listens; find it with: {find}"
    return Addresses((warning(_CHECK, f"{in_use}, the default address", unset),))


def from_gateway(reply: Reply) -> bool:
    """Return whether a response to ``/-/healthy`` is from a gateway."""
    return reply.status == 200 and reply.body == b"OK" and "x-openstack-request-id" in reply.headers


def _serves_metrics(host: str, port: int) -> bool:
    """Return whether a gateway serves its metrics on a port."""
    try:
        return b"\nchrysaetos_" in get(_server(host, port), "/metrics").body
    except FAILURES:
        return False


def _server(host: str, port: int) -> UpstreamOptions:
    """Return how to connect to a listener of this machine."""
    return UpstreamOptions(host={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port=port)  # noqa: S104  # nothing listens there


def _is_free(host: str, port: int) -> bool:
    try:
        for sock in listen_tcp(host, port):
            sock.close()
    except ConfigError:
        return False
    return True


def check_file_limit(setup: Setup) -> Finding:
    """Check that the limit of open files allows ``max_clients`` clients."""
    conf = setup.conf
    reserved = conf.prometheus.max_connections * len(setup.servers)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most_clients(hard, reserved)
    if most is None or most >= conf.gateway.max_clients:
        return ok("limits", f"{conf.gateway.max_clients} clients fit into the limit of open files")
    return warning(
        "limits",
        f"only {most} clients can be connected instead of {conf.gateway.max_clients}: "
        f"the limit of open files is {hard}",
        "raise LimitNOFILE of the systemd unit, or lower [gateway] max_clients",
    )


def check_exposure(setup: Setup, proc: Path = Path("/proc/net")) -> Iterator[Finding]:
    """Check that a Prometheus on this machine listens on loopback addresses only.

    Args:
        setup: the set-up.
        proc: the directory with the kernel's tables.
    """
    for server in setup.servers:
        try:
            local = within(_is_local, server.host)
        except FAILURES:
            continue  # reported with the request to the server
        if not local:
            found = f"{server.host} is another machine: check there who can reach port {server.port}"
            yield Finding("exposure", Status.SKIPPED, found)
            continue
        others = [str(address) for address in listeners(server.port, proc) if not address.is_loopback]
        if others:
            yield warning(
                "exposure",
                f"Prometheus listens on {', '.join(others)} port {server.port}: anyone who can "
                "reach it can read the series of all projects",
                f"start it with --web.listen-address=127.0.0.1:{server.port}, or close the port to others",
            )
        else:
            yield ok("exposure", f"only this machine can reach Prometheus on port {server.port}")


def _is_local(host: str) -> bool:
    """Return whether an address of a host belongs to this machine, that is, a socket can be bound to it."""
    for family, _, _, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind(address)
            except OSError:
                continue
            return True
    return False


def listeners(port: int, proc: Path = Path("/proc/net")) -> list[IPv4Address | IPv6Address]:
    """Return the addresses on which a process of this machine listens on a TCP port.

    Args:
        port: the port.
        proc: the directory with the kernel's tables ``tcp`` and ``tcp6`` (proc(5)).
    """
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state = line.split()[:4]
            address, _, number = local.partition(":")
            if state == _LISTEN and int(number, 16) == port:
                # Each group of 32 bits is in the machine's byte order.
                words = (address[start : start + 8] for start in range(0, len(address), 8))
                found.add(ip_address(b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)))
    return sorted(found, key=str)
