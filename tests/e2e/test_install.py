"""A gateway from a wheel: ``gateway init``, HAProxy with TLS and a path, Keystone, tenants, alerts."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import yaml
from tests.e2e.installation import PATH, Installation, InstalledNginx, Monitoring
from tests.e2e.stack import Window, create_people, store_text
from tests.support.commands import Output, run
from tools.reference.telemetry import render_metrics

from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.identities import IdentityApi, password_auth
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import LOOPBACK, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        tenants = [Tenant(one.user, str(one.project_id), one.user_id) for one in (people.a, people.b)]
        store.backfill(Cloud(tenants, window.now).history(window.now - 1800, window.now + 1800, 60))
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


def test_only_the_installed_wheel_is_imported(installation: Installation) -> None:
    environment = installation.environment
    command = ("-c", "import chrysaetos; print(chrysaetos.__file__)")
    printed = run([environment.programs / "python", *command], cwd=installation.empty, env=installation.admin)
    assert printed.out == f"{environment.site_packages / 'chrysaetos' / '__init__.py'}\n"


def test_a_tenant_reads_its_metrics_through_the_catalog_tls_and_the_path(running: Installation) -> None:
    answer = running.query(running.people.a, "cpu")
    now = time.monotonic()
    assert tenants_series(answer) == {"a1", "a2"}
    assert tenants_series(running.query(running.people.b, "cpu")) == {"b1", "b2"}
    assert now - running.started < 120
    assert now - running.built < 600


def test_a_tenant_sees_its_servers_and_no_others(running: Installation) -> None:
    seen = []
    for tenant in (running.people.a, running.people.b):
        query = {"query": f'ceilometer_cpu{{project="{tenant.project_id}"}}'}
        stored = requests.get(f"{running.store.url}/api/v1/query", query, timeout=5).json()["data"]["result"]
        seen.append({row["server"] for row in running.tenant(tenant, "top", "-f", "json").json})
        assert seen[-1] == {one["metric"]["resource"] for one in stored} != set()
    assert seen[0].isdisjoint(seen[1])


def test_a_tenant_gets_a_data_source_and_dashboards(running: Installation) -> None:
    tenant = running.people.a
    assert "GF_PATHS_PROVISIONING=" in running.tenant(tenant, "grafana", "--yes").out
    (path,) = (running.empty / "grafana" / "provisioning" / "datasources").iterdir()
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    assert source["secureJsonData"]["tlsCACert"] == running.ca.read_text()
    auth = source["basicAuthUser"], source["secureJsonData"]["basicAuthPassword"]
    query = {"query": "count by (project) (ceilometer_cpu)"}
    url = f"{source['url']}/api/v1/query"
    answer = requests.get(url, query, auth=auth, verify=str(running.ca), timeout=30).json()
    assert [one["metric"]["project"] for one in answer["data"]["result"]] == [tenant.project_id]
    dashboards = {file.name for file in (running.empty / "grafana" / "dashboards").iterdir()}
    assert dashboards == {"vms-ceilometer.json"}


def test_the_check_finds_only_that_the_authority_is_the_tests_own(running: Installation) -> None:
    command = ("gateway", "check", "--config-file", str(running.directory / "aetos.conf"), "--format", "json")
    done = running.run(*command, env=running.admin)
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
    # The script needs the command openstack, which is not in the wheel.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = run(["sh", tmp_path / "keystone.sh"], env=installation.admin | {"PATH": path}, timeout=280)
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


def test_a_region_that_keystone_does_not_have_is_an_error(installation: Installation, tmp_path: Path) -> None:
    other = ("--region", "Nowhere", "--service-user", "never-created")
    done = installation.init("--register", *other, directory=tmp_path / "new")
    assert done.status == 1
    assert "Keystone has no region Nowhere; set --region to RegionOne" in done.err
    assert "created" not in done.printed
