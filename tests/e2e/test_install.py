"""A gateway from an empty directory: ``gateway init``, HAProxy with TLS and a path, Keystone, alerts."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
import requests
import trustme
import yaml
from tests.e2e.stack import People, Window, create_people, store_text
from tests.support.commands import Output, run
from tools.reference.telemetry import render_metrics

from chrysaetos.demo.identities import Account, IdentityApi, password_auth
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, Server, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/metric-storage"
PROGRAMS = Path(sys.executable).parent


def variables(keystone: Keystone, user: str, password: str, project: str) -> dict[str, str]:
    """Return an openrc file's variables, and no others that a command of OpenStack reads."""
    own = {
        "OS_AUTH_URL": keystone.url,
        "OS_USERNAME": user,
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return others | own | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"}


def account_variables(keystone: Keystone, account: Account) -> dict[str, str]:
    return variables(keystone, account.user, account.password, account.project_name or "")


class InstalledGateway(Server):
    """The gateway with the configuration that ``gateway init`` wrote."""

    name: ClassVar[str] = "Gateway"
    ready_path: ClassVar[str] = "/-/ready"

    def command(self) -> list[str]:
        return [str(PROGRAMS / "chrysaetos"), "gateway", "--config-file", str(self.directory / "aetos.conf")]


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
    """Keystone, Prometheus, and the directory that ``gateway init`` wrote with ``--register``."""

    def __init__(self, root: Path, keystone: Keystone, store: Prometheus, people: People) -> None:
        self.keystone, self.store, self.people = keystone, store, people
        self.admin = variables(keystone, "admin", keystone.admin_password, "admin")
        self.directory = root / "etc"
        self.port, self.metrics_port = free_port(), free_port()
        self.gateway = InstalledGateway(self.directory)
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
        return run([PROGRAMS / "chrysaetos", *words], env=self.admin)

    def query(self, account: Account, text: str, *, ca: str | None = None) -> Output:
        authority = str(self.ca) if ca is None else ca
        environment = account_variables(self.keystone, account) | {"OS_CACERT": authority}
        return run([PROGRAMS / "chrysaetos", "query", text, "-f", "json"], env=environment)

    def haproxy(self) -> InstalledHAProxy:
        return InstalledHAProxy(self.directory, self.port, self.ca)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A Keystone of its own, since the gateway is registered there."""
    root = tmp_path_factory.mktemp("install")
    with Keystone(root / "keystone") as keystone:
        api = IdentityApi(keystone.url, keystone.admin_password)
        people = create_people(api, keystone.admin_password)
        store = Prometheus(root / "store")
        window = Window.around(time.time())
        store.backfill(store_text(window, str(people.a.project_id), str(people.b.project_id)))
        with store:
            yield Installation(root, keystone, store, people)
        api.close()


@pytest.fixture(scope="module")
def running(installation: Installation) -> Iterator[Installation]:
    """The installation with its gateway and HAProxy."""
    with installation.gateway, installation.haproxy():
        yield installation


def tenants_series(answer: Output) -> set[str]:
    return {row["vm"] for row in answer.json}


def test_a_tenant_reads_its_metrics_through_the_catalog_tls_and_the_path(running: Installation) -> None:
    answer = running.query(running.people.a, "cpu")
    seconds = time.monotonic() - running.started
    assert tenants_series(answer) == {"a1", "a2"}
    assert tenants_series(running.query(running.people.b, "cpu")) == {"b1", "b2"}
    assert seconds < 120


def test_the_check_finds_only_that_the_authority_is_the_tests_own(running: Installation) -> None:
    command = ("gateway", "check", "--config-file", str(running.directory / "aetos.conf"), "--format", "json")
    done = run([PROGRAMS / "chrysaetos", *command], env=running.admin)
    (finding,) = done.json["findings"]
    assert (finding["check"], finding["status"]) == ("catalog", "warning")
    assert "certificate that is not accepted" in finding["found"]


def test_nginx_serves_the_same(running: Installation, tmp_path: Path) -> None:
    port = free_port()
    url = f"https://localhost:{port}"
    running.init("--proxy", "nginx", "--public-url", f"{url}{PATH}", directory=tmp_path)
    token = IdentityApi(running.keystone.url, running.keystone.admin_password).token(running.people.a.auth())
    with InstalledNginx(tmp_path, port, running.ca), requests.Session() as session:
        session.verify, session.trust_env = str(running.ca), False
        session.headers["X-Auth-Token"] = token
        answer = session.get(f"{url}{PATH}/api/v1/query", params={"query": "count by (vm) (cpu)"}, timeout=5)
        assert {one["metric"]["vm"] for one in answer.json()["data"]["result"]} == {"a1", "a2"}
        # The gateway itself rejects these, not nginx, which must not change them.
        odd = session.get(f"{url}{PATH}/api/v1/query?query=up&query=up", timeout=5)
        assert (odd.status_code, odd.json()["errorType"]) == (400, "bad_data")
        large = session.post(f"{url}{PATH}/api/v1/query", data={"query": "x" * 2**20}, timeout=5)
        assert large.status_code == 413, large.text
        assert large.json()["status"] == "error"
        assert session.get(f"{url}/api/v1/query?query=cpu", timeout=5).status_code == 404


def test_the_certificate_is_verified(running: Installation) -> None:
    done = running.query(running.people.a, "cpu", ca="")
    assert done.status == 1
    assert "certificate" in done.err.lower()


def test_nothing_is_served_outside_of_the_path(running: Installation) -> None:
    url = f"https://localhost:{running.port}"
    answer = requests.get(f"{url}/api/v1/query?query=cpu", verify=str(running.ca), timeout=5)
    assert answer.status_code == 404


def test_haproxy_accepts_its_configuration_without_a_warning(installation: Installation) -> None:
    config = installation.haproxy().config
    done = run(["/usr/sbin/haproxy", "-c", "-f", config])
    assert done.status == 0, done.err
    assert "WARNING" not in done.err
    assert "ALERT" not in done.err


def test_the_log_starts_with_what_the_gateway_serves(running: Installation) -> None:
    (line,) = re.findall(r"chrysaetos \d[^ ]*: listening on .*", running.gateway.log.read_text())
    for part in (str(running.gateway.port), PATH, running.keystone.url, f"{LOOPBACK}:{running.store.port}"):
        assert part in line


def test_registering_again_changes_nothing(installation: Installation) -> None:
    assert "Keystone: created user chrysaetos" in installation.printed
    assert "Keystone: created endpoint public" in installation.printed
    assert installation.init("--register", "--yes").out == "All files are current.\n"
    assert json.loads((installation.directory / "init.json").read_text())["registered"] is True


def test_an_endpoint_is_changed_only_after_a_question(installation: Installation, tmp_path: Path) -> None:
    (password,) = re.findall(r"(?m)^password = (.+)$", (installation.directory / "aetos.conf").read_text())
    (tmp_path / "password").write_text(password)
    other = ["--register", "--public-url", "https://other.example/x"]
    other += ["--password-file", str(tmp_path / "password")]
    unasked = installation.init(*other, directory=tmp_path / "new").out
    assert f"Keystone: left endpoint public at https://localhost:{installation.port}{PATH}" in unasked
    assert "Keystone: changed" not in unasked
    agreed = installation.init(*other, "--yes", directory=tmp_path / "new").out
    assert "Keystone: changed endpoint public to https://other.example/x" in agreed
    back = installation.init("--register", "--yes").out
    assert f"changed endpoint public to https://localhost:{installation.port}{PATH}" in back


def test_a_user_with_another_password_is_an_error(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("another")
    done = installation.init(
        "--register", "--password-file", str(tmp_path / "password"), directory=tmp_path / "new"
    )
    assert done.status == 1
    assert "the user chrysaetos exists with another password" in done.err


def test_the_printed_commands_register_another_gateway(installation: Installation, tmp_path: Path) -> None:
    printed = installation.init("--service-user", "by-commands", directory=tmp_path).out
    script = [line.strip() for line in (tmp_path / "keystone.sh").read_text().splitlines()]
    commands = [line for line in script if line and not line.startswith(("#", "set ", "[ "))]
    assert all(line in printed for line in commands)
    admin = IdentityApi(installation.keystone.url, installation.keystone.admin_password)
    (service,) = admin.call("GET", "/services?type=metric-storage")["services"]

    def endpoints() -> dict[str, str]:
        found = admin.call("GET", f"/endpoints?service_id={service['id']}")["endpoints"]
        return {endpoint["interface"]: endpoint["id"] for endpoint in found}

    before = endpoints()
    admin.call("DELETE", f"/endpoints/{before['internal']}")
    done = run(["sh", tmp_path / "keystone.sh"], env=installation.admin, timeout=280)
    assert done.status == 0, done.err
    # What is there stays, and what is missing is created.
    assert endpoints().keys() == {"public", "internal"}
    assert endpoints()["public"] == before["public"]
    assert len(admin.call("GET", "/services?type=metric-storage")["services"]) == 1
    (user,) = admin.call("GET", "/users?name=by-commands")["users"]
    (project,) = admin.call("GET", "/projects?name=service")["projects"]
    password = re.findall(r"(?m)^password = (.+)$", (tmp_path / "aetos.conf").read_text())[0]
    scope = {"project": {"id": project["id"]}}
    assert admin.token(password_auth(user["id"], password, scope))
    assert password not in done.printed + done.err + printed
    admin.close()


def test_each_metric_of_a_running_gateway_is_documented(running: Installation) -> None:
    running.query(running.people.a, "cpu")
    text = requests.get(f"http://{LOOPBACK}:{running.metrics_port}/metrics", timeout=5).text
    names = set(re.findall(r"(?m)^# TYPE (\S+)", text))
    assert len(names) > 30
    assert names <= set(re.findall(r"``(\w+)``", render_metrics()))


def test_alerts_fire_while_servers_are_down(running: Installation, tmp_path: Path) -> None:
    gateway, keystone, store = running.gateway, running.keystone, running.store
    url = f"http://{LOOPBACK}:{gateway.port}{PATH}/api/v1/query?query=cpu"
    token = IdentityApi(keystone.url, keystone.admin_password).admin_token
    policy = running.directory / "policy.yaml"
    with Monitoring(tmp_path, running.directory / "prometheus") as monitoring:

        def fires(alert: str, token: str = token) -> bool:
            requests.get(url, headers={"X-Auth-Token": token}, timeout=20)
            return alert in monitoring.firing()

        assert not wait_for(lambda: fires("none"), timeout=8)
        assert monitoring.firing() == set()
        store.stop()
        try:
            assert wait_for(lambda: fires("ChrysaetosUpstreamDown"), timeout=60), monitoring.firing()
            assert "ChrysaetosErrors" in monitoring.firing()
        finally:
            store.start()
            store.wait_ready()
        assert wait_for(lambda: not fires("ChrysaetosUpstreamDown"), timeout=60)
        keystone.stop()
        try:
            assert wait_for(lambda: fires("ChrysaetosKeystoneUnreachable", "unknown"), timeout=60)
        finally:
            keystone.start()
            keystone.wait_ready()
        policy.write_text("telemetry:query: [")
        try:
            assert wait_for(lambda: fires("ChrysaetosPolicyInvalid"), timeout=60), monitoring.firing()
        finally:
            policy.write_text("{}\n")
        gateway.stop()
        try:
            assert wait_for(lambda: "ChrysaetosGatewayDown" in monitoring.firing(), timeout=30)
        finally:
            gateway.start()
            gateway.wait_ready()
