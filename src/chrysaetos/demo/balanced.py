"""Two gateways behind HAProxy, which share their token cache in memcached."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, ClassVar

from chrysaetos.demo.processes import LOOPBACK, Server, find_program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chrysaetos.demo.gateway import Gateway

__all__ = ["HAProxy", "Memcached"]


class Memcached(Server):
    """A memcached."""

    name: ClassVar[str] = "memcached"

    @property
    def address(self) -> str:
        """Its address, for ``memcached_servers``."""
        return f"{LOOPBACK}:{self.port}"

    def command(self) -> list[str]:
        """Return the command line."""
        program = find_program("memcached", "on Debian and Ubuntu: sudo apt-get install memcached")
        return [program, "-l", LOOPBACK, "-p", str(self.port), "-U", "0", "-u", "nobody"]

    def _ready(self) -> bool:
        self.check()
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2):
                return True
        except OSError:
            return False


class HAProxy(Server):
    """An HAProxy in front of gateways, which it checks at ``/-/ready``.

    Args:
        directory: its directory.
        gateways: the gateways.
        port: the port to listen on.
    """

    name: ClassVar[str] = "HAProxy"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, gateways: Sequence[Gateway], *, port: int) -> None:
        super().__init__(directory, port=port)
        self._gateways = gateways

    def prepare(self) -> None:
        """Write haproxy.cfg."""
        servers = "".join(
            f"    server gateway{number} {LOOPBACK}:{gateway.port} check inter 1s\n"
            for number, gateway in enumerate(self._gateways, start=1)
        )
        (self.directory / "haproxy.cfg").write_text(
            # A buffer must hold the longest URL and headers that a gateway accepts.
            "global\n    tune.bufsize 204800\n"
            "defaults\n    mode http\n"
            "    timeout connect 5s\n    timeout client 60s\n    timeout server 140s\n"
            f"listen gateways\n    bind {LOOPBACK}:{self.port}\n    balance roundrobin\n"
            f"    option httpchk GET /healthcheck\n{servers}"
        )

    def command(self) -> list[str]:
        """Return the command line."""
        program = find_program("haproxy", "on Debian and Ubuntu: sudo apt-get install haproxy")
        return [program, "-db", "-f", str(self.directory / "haproxy.cfg")]
