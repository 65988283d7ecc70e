"""``chrysaetos migrate watcher`` with a real Keystone, gateway and Prometheus."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from tests.fakes.infra_optim import FakeInfraOptim
from tests.fakes.nova import FakeNova
from tests.migrate.cases import CASES
from tests.migrate.deployment import Deployment
from tests.support import commands

from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.processes import free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account, IdentityApi

ROOT = Path(__file__).parents[2]
HOSTS = ["compute-0", "compute-1", "compute-2"]


@pytest.fixture(scope="module")
def cloud(people: People) -> Cloud:
    assert people.a.project_id is not None
    return Cloud([Tenant("a", people.a.project_id, people.a.user_id)], time.time() - 3600)


@pytest.fixture(scope="module")
def gateway(
    servers: ExitStack, gateway_for: GatewayFor, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    """A gateway over a Prometheus that scrapes the cloud, and has half an hour of its samples."""
    exporter = Exporter(cloud.targets, free_port())
    servers.enter_context(exporter)
    store = Prometheus(tmp_path_factory.mktemp("migrate"), scrape_configs=exporter.scrape_configs("1s"))
    now = int(time.time())
    store.backfill(cloud.history(now - 1800, now, 30))
    servers.enter_context(store)

    def scraped() -> bool:
        answer = requests.get(f"{store.url}/api/v1/query", params={"query": "up == 1"}, timeout=5)
        return len(answer.json()["data"]["result"]) == len(cloud.targets)

    assert wait_for(scraped, timeout=20), "nothing was scraped"
    return gateway_for(store)


@pytest.fixture
def nova(identity: IdentityApi, gateway: Gateway, cloud: Cloud) -> Iterator[FakeNova]:
    uuids = {
        series.labels["resource"]
        for target in cloud.targets
        for family in target.families
        if family.name == "ceilometer_cpu"
        for series in family.series
    }
    with FakeNova(HOSTS, sorted(uuids)) as fake:
        identity.register_endpoint("compute", "nova", fake.url)
        identity.register_endpoint("metric-storage", "aetos", gateway.url)
        yield fake


class Watcher:
    """A configuration of Watcher with Prometheus."""

    def __init__(self, folder: Path, account: Account, keystone_url: str) -> None:
        self.path = folder / "watcher.conf"
        self.path.write_text(
            "[watcher_datasources]\n"
            "datasources = prometheus\n\n"
            "[prometheus_client]\n"
            "host = 127.0.0.1\n"
            "fqdn_label = fqdn\n\n"
            "[watcher_clients_auth]\n"
            "auth_type = password\n"
            f"auth_url = {keystone_url}\n"
            f"username = {account.user}\n"
            f"password = {account.password}\n"
            "user_domain_id = default\n"
            f"project_name = {account.project_name}\n"
            "project_domain_id = default\n"
        )

    def run(self, action: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run the command as an operator would, and return its exit status and its JSON."""
        command = [sys.executable, "-m", "chrysaetos", "migrate", "watcher", action, "--conf", str(self.path)]
        release = ["--release", "17"] if action != "rollback" else []
        done = commands.run(
            [*command, *release, *arguments, "-f", "json"],
            env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1"},
        )
        assert done.err == ""
        return done.status, json.loads(done.printed)


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {finding["check"]: finding["status"] for finding in report["findings"]}


def found(report: dict[str, Any], check: str) -> str:
    return next(
        f"{finding['found']} -> {finding['remedy']}"
        for finding in report["findings"]
        if finding["check"] == check
    )


@pytest.fixture
def watcher(tmp_path: Path, people: People, identity: IdentityApi, nova: FakeNova) -> Watcher:
    assert nova.hosts == HOSTS
    return Watcher(tmp_path, people.service, identity.url)


def test_from_prometheus_to_aetos_and_back(watcher, gateway, identity):
    before = watcher.path.read_bytes()
    status, report = watcher.run("check")
    assert status == 0, report
    assert statuses(report) == dict.fromkeys(
        ["files", "configuration", "release", "credentials", "roles", "catalog", "hosts", "instances"], "ok"
    )
    assert gateway.url in found(report, "catalog")
    assert watcher.path.read_bytes() == before

    assert watcher.run("verify")[0] == 1
    status, report = watcher.run("apply", "--yes")
    assert status == 0, report
    assert report["restart"]["service"] == "watcher-decision-engine"
    text = watcher.path.read_text()
    assert text.startswith("[watcher_datasources]\ndatasources = aetos\n")
    assert "[aetos_client]\nfqdn_label = fqdn\n" in text

    status, report = watcher.run("verify")
    assert status == 0, report
    assert statuses(report) == dict.fromkeys(
        [
            "configuration",
            "credentials",
            "roles",
            "catalog",
            "host CPU",
            "host RAM",
            "instance CPU",
            "instance RAM",
        ],
        "ok",
    )
    assert found(report, "host CPU").startswith("3 of 3 have data with the label fqdn")

    with FakeInfraOptim(["PENDING", "SUCCEEDED"]) as api:
        identity.register_endpoint("infra-optim", "watcher", api.url)
        status, report = watcher.run("verify", "--audit")
        assert status == 0, report
        assert "succeeded" in found(report, "audit")
        assert api.created is not None
        assert api.created["strategy"] == "basic"

    assert watcher.run("rollback", "--yes")[0] == 0
    assert watcher.path.read_bytes() == before


def test_the_credentials_are_an_application_credential(watcher, people, identity):
    credential = people.service.application_credential
    before, _, _ = watcher.path.read_text().partition("auth_type = password\n")
    watcher.path.write_text(
        f"{before}auth_type = v3applicationcredential\n"
        f"auth_url = {identity.url}\n"
        f"application_credential_id = {credential.id}\n"
        f"application_credential_secret = {credential.secret}\n"
    )
    status, report = watcher.run("check")
    assert status == 0, report
    assert statuses(report)["roles"] == statuses(report)["instances"] == "ok"


def test_a_host_without_a_target_is_named(watcher, nova):
    nova.hosts = [*HOSTS, "compute-9"]
    status, report = watcher.run("check")
    assert status == 0
    assert "compute-9" in found(report, "hosts")
    assert statuses(report)["hosts"] == "warning"


def test_labels_that_do_not_match_prevent_the_move(watcher):
    before = watcher.path.read_text().replace("fqdn_label = fqdn", "fqdn_label = host")
    before = before.replace("host = 127.0.0.1", "instance_uuid_label = vm")
    watcher.path.write_text(before)
    status, report = watcher.run("apply", "--yes")
    assert status == 1
    assert "set [aetos_client] fqdn_label = fqdn" in found(report, "hosts")
    assert "set [aetos_client] instance_uuid_label = resource" in found(report, "instances")
    assert watcher.path.read_text() == before
    assert watcher.run("apply", "--yes", "--force")[0] == 0
    assert watcher.run("verify")[0] == 1


def test_no_endpoint_for_the_interface_or_region(watcher):
    status, report = watcher.run("check", "--region-name", "Elsewhere")
    assert status == 1
    assert statuses(report)["catalog"] == "failed"
    assert "Elsewhere" in found(report, "catalog")
    assert "openstack endpoint create" in found(report, "catalog")


def test_the_gateway_is_down(watcher, identity):
    identity.register_endpoint("metric-storage", "aetos", f"http://127.0.0.1:{free_port()}")
    status, report = watcher.run("check")
    assert status == 1
    assert statuses(report)["metrics"] == "failed"
    assert "the gateway is running" in found(report, "metrics")


def test_a_user_without_the_role(tmp_path, people, identity, nova):
    assert nova.hosts
    status, report = Watcher(tmp_path, people.a, identity.url).run("check")
    assert status == 1
    assert statuses(report)["roles"] == "failed"
    assert "openstack role add" in found(report, "roles")


def test_wrong_credentials(watcher, people):
    watcher.path.write_text(watcher.path.read_text().replace(people.service.password, "wrong"))
    status, report = watcher.run("check")
    assert status == 1
    assert statuses(report)["credentials"] == "failed"
    assert "openstack token issue" in found(report, "credentials")


def test_nova_rejects_the_request(watcher, nova):
    nova.status = 403
    status, report = watcher.run("check")
    assert status == 1
    assert "the role admin" in found(report, "metrics")


# Run in Watcher's own environment, with its own options and list of datasources.
READER = """
import json, os, sys
from watcher import conf
from watcher.decision_engine.strategy.strategies.base import BaseStrategy

CONF = conf.CONF
for strategy in ("basic", "workload_balance", "noisy_neighbor"):
    CONF.register_opts(BaseStrategy.get_config_opts(), group=f"watcher_strategies.{strategy}")
found = []
for case in json.load(sys.stdin):
    os.environ.update(case["environ"])
    CONF.reset()
    CONF(case["arguments"], project="watcher", default_config_files=[], default_config_dirs=[])
    found.append([CONF[group][key] for group, key in case["settings"]])
    for name in case["environ"]:
        del os.environ[name]
json.dump(found, sys.stdout)
"""


@pytest.mark.parametrize("release", [15, 17])
def test_watcher_itself_reads_the_moved_settings(release, tmp_path, monkeypatch):
    defaults = {15: (15, 17), 17: (16, 17)}  # the default of 16 is that of 17; others set a value
    cases = [case for case in CASES if case.release in defaults[release]]
    asked = []
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        moved = Deployment(folder, case)
        with monkeypatch.context() as environment:
            for name, value in case.environ.items():
                environment.setenv(name, value)
            force = ["--force"] if case.forced else []
            assert moved.run("apply", "--offline", "--yes", *force, *case.arguments) == 0
        asked.append(
            {
                "arguments": moved.oslo_arguments,
                "environ": case.environ,
                "settings": [list(setting) for setting in case.reads],
            }
        )
    done = commands.run(
        [ROOT / ".venvs" / f"watcher-{release}" / "bin" / "python", "-W", "ignore", "-c", READER],
        stdin=json.dumps(asked),
    )
    assert done.json == [list(case.reads.values()) for case in cases]
