"""The servers of an installation from the wheel: what ``pip install`` and ``gateway init`` make.

The programs are in a virtual environment that has only the wheel and what it requires. They run in an empty
directory, without the variables that Python reads, so nothing comes from the checkout.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import requests
import trustme
import yaml
from tests.support.commands import Output, run
from tests.support.wheels import Environment, build, without_python
from tools.pythons import ROOT

from chrysaetos.demo.processes import LOOPBACK, Server, free_port
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from tests.e2e.stack import People

    from chrysaetos.demo.identities import Account
    from chrysaetos.demo.keystone import Keystone

__all__ = ["PATH", "Installation", "InstalledNginx", "Monitoring"]

PATH = "/metric-storage"


def variables(keystone: Keystone, user: str, password: str, project: str) -> dict[str, str]:
    """Return an openrc file's variables, and no others that Python or a command of OpenStack reads."""
    own = {
        "OS_AUTH_URL": keystone.url,
        "OS_USERNAME": user,
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    others = {name: value for name, value in without_python().items() if not name.startswith("OS_")}
    return others | own


def account_variables(keystone: Keystone, account: Account) -> dict[str, str]:
    return variables(keystone, account.user, account.password, account.project_name or "")


class InstalledGateway(Server):
    """The gateway with the configuration that ``gateway init`` wrote."""

    name: ClassVar[str] = "Gateway"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, program: Path) -> None:
        super().__init__(directory)
        self._program = program

    def command(self) -> list[str]:
        clean = ["env", "--unset=PYTHONPATH", f"--chdir={self.directory}"]
        return [*clean, str(self._program), "gateway", "--config-file", str(self.directory / "aetos.conf")]


class InstalledHAProxy(Server):
    """HAProxy with the configuration that ``gateway init`` wrote, unchanged if root runs the test."""

    name: ClassVar[str] = "HAProxy"
    ready_path: ClassVar[str] = f"{PATH}/healthcheck"

    def __init__(self, directory: Path, port: int, ca: Path) -> None:
        super().__init__(directory, port=port)
        self._ca = ca

    @property
    def config(self) -> Path:
        return self.directory / "haproxy" / "haproxy.cfg"

    def prepare(self) -> None:
        if os.geteuid() != 0:
            text = re.sub(r"(?m)^    (user|group) haproxy\n", "", self.config.read_text())
            self.config.write_text(text)

    def command(self) -> list[str]:
        return ["/usr/sbin/haproxy", "-db", "-f", str(self.config)]

    def _ready(self) -> bool:
        self.check()
        try:
            url = f"https://localhost:{self.port}{self.ready_path}"
            return requests.get(url, verify=str(self._ca), timeout=5).status_code == 200
        except requests.RequestException:
            return False


class InstalledNginx(InstalledHAProxy):
    """nginx with the file that ``gateway init`` wrote."""

    name: ClassVar[str] = "nginx"

    @property
    def config(self) -> Path:
        return self.directory / "nginx.conf"

    def prepare(self) -> None:
        temporary = " ".join(
            f"{kind}_temp_path {self.directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.config.write_text(
            f"daemon off; pid {self.directory}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {temporary} include {self.directory}/nginx/metric-storage.conf; }}\n"
        )

    def command(self) -> list[str]:
        return ["/usr/sbin/nginx", "-e", "stderr", "-c", str(self.config)]


class Monitoring(Prometheus):
    """A Prometheus with the scrape job and the alerts that ``gateway init`` wrote, with short intervals."""

    def __init__(self, directory: Path, files: Path) -> None:
        super().__init__(directory)
        self._files = files

    def prepare(self) -> None:
        self.data.mkdir(exist_ok=True)
        rules = (self._files / "alerts.yml").read_text()
        rules = re.sub(r"\[\d+m\]", "[5s]", re.sub(r"for: \d+[mh]", "for: 1s", rules))
        (self.directory / "alerts.yml").write_text(rules)
        config = yaml.safe_load((self._files / "scrape.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(self.directory / "alerts.yml")]
        (self.directory / "prometheus.yml").write_text(json.dumps(config))

    def firing(self) -> set[str]:
        alerts = requests.get(f"{self.url}/api/v1/alerts", timeout=5).json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


class Installation:
    """Keystone, Prometheus, the installed wheel, and what ``gateway init --register`` wrote.

    Attributes:
        empty: the directory in which the programs run.
        built: when the wheel was built, and its installation began.
        started: when ``gateway init`` started. Both are readings of ``time.monotonic``.
        printed: what ``gateway init`` printed.
    """

    def __init__(self, root: Path, keystone: Keystone, store: Prometheus, people: People) -> None:
        self.keystone, self.store, self.people = keystone, store, people
        self.admin = variables(keystone, "admin", keystone.admin_password, "admin")
        self.directory = root / "etc"
        self.port, self.metrics_port = free_port(), free_port()
        self.empty = root / "empty"
        self.empty.mkdir()
        build(ROOT, root / "dist", ["wheel"])
        (wheel,) = (root / "dist").iterdir()
        self.built = time.monotonic()
        self.environment = Environment(root / "venv", Path(sys.executable))
        self.environment.install(f"{wheel}[gateway,cli]")
        self._program = self.environment.programs / "chrysaetos"
        self.gateway = InstalledGateway(self.directory, self._program)
        authority = trustme.CA()
        self.ca = root / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        certificate = root / "tls.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        self.arguments = [
            *("--keystone-url", keystone.url),
            *("--public-url", f"https://localhost:{self.port}{PATH}"),
            *("--prometheus-url", store.url),
            *("--listen", f"{LOOPBACK}:{self.gateway.port}"),
            *("--metrics", f"{LOOPBACK}:{self.metrics_port}"),
            *("--certificate", str(certificate)),
            *("--service-user", "chrysaetos"),
        ]
        self.started = time.monotonic()
        self.printed = self.init("--register").out

    def init(self, *more: str, directory: Path | None = None) -> Output:
        words = ("gateway", "init", str(directory or self.directory), *self.arguments, *more)
        return self.run(*words, env=self.admin)

    def run(self, *words: str, env: dict[str, str]) -> Output:
        """Run the installed ``chrysaetos``."""
        return run([self._program, *words], cwd=self.empty, env=env)

    def tenant(self, account: Account, *words: str, ca: str | None = None) -> Output:
        """Run ``chrysaetos`` with a tenant's credentials."""
        authority = str(self.ca) if ca is None else ca
        return self.run(*words, env=account_variables(self.keystone, account) | {"OS_CACERT": authority})

    def query(self, account: Account, text: str, *, ca: str | None = None) -> Output:
        return self.tenant(account, "query", text, "-f", "json", ca=ca)

    def haproxy(self) -> InstalledHAProxy:
        return InstalledHAProxy(self.directory, self.port, self.ca)
