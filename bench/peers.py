"""The servers that a bench compares: each on loopback, each ended with it."""

from __future__ import annotations

import subprocess
import sys
import venv
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from chrysaetos.demo.processes import LOOPBACK, Server, private_directory, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from chrysaetos.demo.gateway import Gateway

__all__ = ["Aetos", "HAProxy", "aetos_environment"]

AETOS = ("aetos==3.0.0", "gunicorn>=22")


class HAProxy(Server):
    """HAProxy as a plain reverse proxy, with as many threads as the gateway has workers."""

    name: ClassVar[str] = "HAProxy"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, prometheus_url: str) -> None:
        super().__init__(directory)
        self._upstream = urlsplit(prometheus_url).netloc

    def prepare(self) -> None:
        """Write haproxy.cfg."""
        write_private(
            self.directory / "haproxy.cfg",
            f"""
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 130s
    timeout server 130s
    http-reuse always
frontend in
    bind {LOOPBACK}:{self.port}
    default_backend prometheus
backend prometheus
    server one {self._upstream}
""",
        )

    def command(self) -> list[str]:
        """In the foreground."""
        return ["haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")]

    def environment(self) -> dict[str, str]:
        """Debian keeps it where only root's PATH leads."""
        return {"PATH": "/usr/sbin:/usr/bin:/bin"}


class Aetos(Server):
    """Aetos under gunicorn, two processes of four threads, with the configuration of a gateway."""

    name: ClassVar[str] = "Aetos"
    ready_path: ClassVar[str] = "/healthcheck"

    def __init__(self, directory: Path, environment: Path, gateway: Gateway) -> None:
        super().__init__(directory)
        self._python = environment / "bin" / "python"
        self._config = gateway.config_file

    def prepare(self) -> None:
        """Put the configuration where Aetos and its middleware both look for it."""
        write_private(private_directory(self.directory / ".aetos") / "aetos.conf", self._config.read_text())

    def environment(self) -> dict[str, str]:
        """A home of its own."""
        return {"HOME": str(self.directory)}

    def command(self) -> list[str]:
        """Gunicorn with threads and kept-alive connections."""
        return [
            *(str(self._python), "-m", "gunicorn", "--workers", "2", "--threads", "4"),
            *("--keep-alive", "75", "--bind", f"{LOOPBACK}:{self.port}", "aetos.wsgi.api:application"),
        ]


def aetos_environment(directory: Path) -> Path:
    """A virtual environment with Aetos, made if it is not there."""
    if not (directory / "ready").exists():
        print("installing Aetos into a virtual environment of its own", file=sys.stderr)
        venv.create(directory, with_pip=True, clear=True)
        pip = [str(directory / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *AETOS], check=True)
        (directory / "ready").touch()
    return directory
