"""Decision engines 17 and 15 with the real gateway, Keystone and Prometheus."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.watcher_engine import Emulator, Engine
from tests.support.releases import WATCHER
from tests.watcher.sample import SampleCloud

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import wait_for
from chrysaetos.demo.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from chrysaetos.demo.identities import Account

STRATEGIES: dict[str, dict[str, Any]] = {
    "workload_balance": {},
    # The other ways to choose a host are random, or query each pair.
    "workload_stabilization": {"host_choice": "cycle"},
    "vm_workload_consolidation": {},
    "basic": {},
}
MOST_QUERIES = 6


@dataclass(frozen=True)
class Site:
    """A small cloud with all services that an engine uses.

    Attributes:
        auth_url: Keystone, with all services in its catalog.
        account: Watcher's own account, with the role service, and admin for Nova.
        prometheus: the store.
        requests: the gateway's audit log, with a JSON object per line.
    """

    auth_url: str
    account: Account
    prometheus: Prometheus
    requests: Path

    def count(self) -> int:
        """Return the number of requests to the gateway."""
        return len(self.requests.read_text().splitlines()) if self.requests.exists() else 0


@pytest.fixture(scope="module")
def site(servers: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A separate Keystone, since its catalog has other endpoints than other tests need."""
    cloud = SampleCloud(20, 400)
    folder = tmp_path_factory.mktemp("watcher")
    keystone = servers.enter_context(Keystone(folder / "keystone"))
    api = IdentityApi(keystone.url, keystone.admin_password)
    servers.callback(api.close)
    project = api.create_project("service")
    watcher = api.create_account("watcher", project, "service", "service")
    validator = api.create_account("aetos", project, "service", "service")
    prometheus = Prometheus(folder / "prometheus", scrape_configs=cloud.scrape_configs())
    prometheus.backfill(cloud.text(int(time.time())))
    servers.enter_context(prometheus)
    requests = folder / "requests.log"
    gateway = Gateway(
        folder / "gateway",
        keystone_url=keystone.url,
        prometheus_url=prometheus.url,
        user=validator.user,
        password=validator.password,
        options={"gateway": {"audit_file": str(requests), "audit_format": "json"}},
    )
    servers.enter_context(gateway)
    api.register_endpoint("metric-storage", "aetos", gateway.url)
    for kind, service, path in (("nova", "compute", "/v2.1"), ("placement", "placement", "")):
        emulator = servers.enter_context(Emulator(folder / kind, kind, cloud.topology()))
        api.register_endpoint(service, kind, emulator.root_url + path)
    return Site(keystone.url, watcher, prometheus, requests)


def engine(site: Site, folder: Path, release: str, **sections: dict[str, str]) -> Engine:
    return Engine(folder, release, auth_url=site.auth_url, account=site.account, options=sections)


def is_ready(engine: Engine) -> bool:
    """Return whether the engine has a model of the cloud: until then, audits fail."""
    return bool(engine.audit("aetos_check", {})["state"] == "ONGOING")


@dataclass
class Engines:
    """Two engines of a release: with Watcher's own datasource, and with ours."""

    release: str
    stock: Engine
    ours: Engine


@pytest.fixture(scope="module", params=[str(release) for release in WATCHER])
def engines(
    site: Site, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    """Both engines of a release, once they have a model of the cloud."""
    folder = tmp_path_factory.mktemp(f"engines-{request.param}")
    host, port = site.prometheus.url.removeprefix("http://").split(":")
    stock = engine(
        site,
        folder / "stock",
        request.param,
        watcher_datasources={"datasources": "prometheus"},
        prometheus_client={"host": host, "port": port},
    )
    ours = engine(site, folder / "ours", request.param, watcher_datasources={"datasources": "aetos"})
    with stock, ours:
        for one in (stock, ours):
            assert wait_for(partial(is_ready, one), timeout=60), one.log.read_text()[-5000:]
        yield Engines(request.param, stock, ours)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_plans_equal_those_of_the_stock_datasource(engines: Engines, site: Site, strategy: str) -> None:
    before = site.count()
    expected = engines.stock.audit(strategy, STRATEGIES[strategy])
    assert site.count() == before
    found = engines.ours.audit(strategy, STRATEGIES[strategy])
    queries = site.count() - before
    assert found["state"] == expected["state"] == "ONGOING"
    assert found["plans"] == expected["plans"] == 1
    assert expected["actions"]
    assert in_order(found["actions"]) == in_order(expected["actions"])
    assert 0 < queries <= MOST_QUERIES


def in_order(actions: list[Any]) -> list[str]:
    """Return the actions, sorted: the planner orders them by random ids."""
    return sorted(json.dumps(action, sort_keys=True) for action in actions)


def test_the_check_at_the_start_is_logged(engines: Engines, site: Site) -> None:
    line = next(line for line in engines.ours.log.read_text().splitlines() if "Datasource aetos" in line)
    for part in (
        "endpoint http://127.0.0.1:",
        "interface public",
        "role service",
        "20 hosts by label fqdn",
        "20 of 20 compute hosts have metrics",
    ):
        assert part in line
    assert "Datasource aetos" in engines.stock.log.read_text(), "the plugin is loaded, and says so"
    assert "not configured" in engines.stock.log.read_text()
    requests = [json.loads(one) for one in site.requests.read_text().splitlines()]
    assert {one["user_name"] for one in requests} == {site.account.user}


@pytest.mark.parametrize("required", [True, False])
def test_an_engine_without_aetos_logs_it_and_may_refuse_to_start(
    site: Site, tmp_path: Path, required: bool
) -> None:
    without = engine(
        site,
        tmp_path,
        "17",
        watcher_datasources={"datasources": "aetos"},
        aetos_client={"region_name": "Nowhere", "require_at_start": str(required)},
    )
    line = (
        "Aetos service not registered in Keystone: no metric-storage endpoint for interface public "
        "in region Nowhere"
    )
    process = without.start()
    try:
        assert without.says(line), process.tail()
        if required:
            assert wait_for(lambda: process.status() is not None, timeout=20)
            assert process.status() != 0
        else:
            assert without.says("Selected multiprocessing start method"), process.tail()
            process.check()
    finally:
        without.stop()
