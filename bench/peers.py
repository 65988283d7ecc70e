"""The servers that benchmarks compare with the gateway, on the loopback address."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from chrysaetos.demo.processes import LOOPBACK, Server, private_directory
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account

__all__ = ["Aetos", "HAProxy", "Maia", "PromLabelProxy", "VMAuth", "aetos_environment"]

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
        replace_file(
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
        """Return the command line of HAProxy in the foreground."""
        return ["haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")]

    def environment(self) -> dict[str, str]:
        """Add /usr/sbin to PATH, where Debian installs HAProxy."""
        return {"PATH": "/usr/sbin:/usr/bin:/bin"}


class VMAuth(Server):
    """vmauth as a plain reverse proxy, with one thread like the gateway."""

    name: ClassVar[str] = "vmauth"
    ready_path: ClassVar[str] = "/health"

    def __init__(self, directory: Path, prometheus_url: str) -> None:
        super().__init__(directory)
        self._upstream = prometheus_url

    def prepare(self) -> None:
        """Write auth.yml, which passes on all requests."""
        replace_file(self.directory / "auth.yml", f"unauthorized_user:\n  url_prefix: {self._upstream}\n")

    def environment(self) -> dict[str, str]:
        """Limit Go to one thread."""
        return {"GOMAXPROCS": "1"}

    def command(self) -> list[str]:
        """Return the command line of vmauth."""
        return [
            *("vmauth", f"-auth.config={self.directory / 'auth.yml'}"),
            f"-httpListenAddr={LOOPBACK}:{self.port}",
        ]


class PromLabelProxy(Server):
    """prom-label-proxy, which scopes each query to a project, with one thread like the gateway."""

    name: ClassVar[str] = "prom-label-proxy"
    ready_path: ClassVar[str] = "/healthz"

    def __init__(self, directory: Path, prometheus_url: str, project: str) -> None:
        super().__init__(directory)
        self._upstream = prometheus_url
        self._project = project

    def prepare(self) -> None:
        """Write nothing: everything is in the arguments."""

    def environment(self) -> dict[str, str]:
        """Limit Go to one thread."""
        return {"GOMAXPROCS": "1"}

    def command(self) -> list[str]:
        """Return the command line of prom-label-proxy."""
        return [
            *("prom-label-proxy", f"-insecure-listen-address={LOOPBACK}:{self.port}"),
            *(f"-upstream={self._upstream}", "-label=project", f"-label-value={self._project}"),
        ]


class Maia(Server):
    """Maia, which scopes each query to the token's project by the label ``project_id``, with one thread."""

    name: ClassVar[str] = "maia"
    ready_path: ClassVar[str] = "/metrics"

    def __init__(self, directory: Path, prometheus_url: str, keystone_url: str, user: Account) -> None:
        super().__init__(directory)
        self._maia = {
            "bind_address": f"{LOOPBACK}:{self.port}",
            "prometheus_url": prometheus_url,
            "federate_url": prometheus_url,
        }
        self._keystone = {
            "auth_url": f"{keystone_url}/",
            "username": user.user,
            "password": user.password,
            "user_domain_name": "Default",
            "project_name": str(user.project_name),
            "project_domain_name": "Default",
            "policy_file": str(self.directory / "policy.json"),
            "roles": "reader",
        }

    def prepare(self) -> None:
        """Write maia.conf, and a policy that admits readers."""
        rule = "project_id:%(project_id)s and role:reader"
        replace_file(self.directory / "policy.json", json.dumps({"metric:list": rule, "metric:show": rule}))
        sections = {"maia": self._maia, "keystone": self._keystone}
        lines = []
        for section, values in sections.items():
            # A JSON string is a TOML string.
            lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
        replace_file(self.directory / "maia.conf", "\n".join([*lines, ""]))

    def environment(self) -> dict[str, str]:
        """Limit Go to one thread."""
        return {"GOMAXPROCS": "1"}

    def command(self) -> list[str]:
        """Return the command line of Maia."""
        return ["maia", "serve", f"--config-file={self.directory / 'maia.conf'}"]


class Aetos(Server):
    """Aetos under gunicorn with two processes of four threads, using the configuration of a gateway."""

    name: ClassVar[str] = "Aetos"
    ready_path: ClassVar[str] = "/healthcheck"

    def __init__(self, directory: Path, environment: Path, gateway: Gateway) -> None:
        super().__init__(directory)
        self._python = environment / "bin" / "python"
        self._config = gateway.config_file

    def prepare(self) -> None:
        """Write the configuration to the path from which both Aetos and its middleware read it."""
        replace_file(private_directory(self.directory / ".aetos") / "aetos.conf", self._config.read_text())

    def environment(self) -> dict[str, str]:
        """Set a separate home directory."""
        return {"HOME": str(self.directory)}

    def command(self) -> list[str]:
        """Return the command line of gunicorn with threads and persistent connections."""
        return [
            *(str(self._python), "-m", "gunicorn", "--workers", "2", "--threads", "4"),
            *("--keep-alive", "75", "--bind", f"{LOOPBACK}:{self.port}", "aetos.wsgi.api:application"),
        ]


def aetos_environment(directory: Path) -> Path:
    """Create a virtual environment with Aetos if it does not exist, and return its path."""
    if not (directory / "ready").exists():
        print("installing Aetos into a virtual environment", file=sys.stderr)
        venv.create(directory, with_pip=True, clear=True)
        pip = [str(directory / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *AETOS], check=True)
        (directory / "ready").touch()
    return directory
