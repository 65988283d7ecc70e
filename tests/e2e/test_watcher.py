"""Decision engines with the real gateway, Keystone and Prometheus. Release 14 has no datasource aetos."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.rating import asked
from tests.e2e.watcher_engine import AuditError, Emulator, Engine
from tests.fakes.relay import Relay
from tests.support.deep import first_of
from tests.support.releases import WATCHER
from tests.watcher.sample import SampleCloud, wait_for_targets

from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.migrate.watcher_releases import FIRST_RELEASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
MAX_QUERIES = 6


@dataclass(frozen=True)
class Site:
    """A small cloud with all services that an engine uses.

    Attributes:
        auth_url: Keystone, with all services in its catalog.
        keystone_port: Keystone's port.
        account: Watcher's own account, with the role service, and admin for Nova.
        prometheus: the store.
        requests: the gateway's audit log, with a JSON object per line.
    """

    auth_url: str
    keystone_port: int
    account: Account
    prometheus: Prometheus
    requests: Path

    def count(self) -> int:
        """Return the number of requests to the gateway."""
        return len(self.requests.read_text().splitlines()) if self.requests.exists() else 0


@pytest.fixture(scope="module")
def site(servers: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A separate Keystone, since its catalog has other endpoints than other tests need."""
    cloud = SampleCloud(8, 160)
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
    wait_for_targets(prometheus, len(cloud.hosts))  # the engines check them at their start
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
    return Site(keystone.url, keystone.port, watcher, prometheus, requests)


def engine(site: Site, folder: Path, release: str, **sections: dict[str, str]) -> Engine:
    return Engine(folder, release, auth_url=site.auth_url, account=site.account, options=sections)


def check_state(engine: Engine) -> str | None:
    """Return the state of an audit with aetos_check; None if the engine has not filled its database yet."""
    try:
        return str(engine.audit("aetos_check", {})["state"])
    except AuditError:
        return None


def is_ready(engine: Engine) -> bool:
    """Return whether the engine has a model of the cloud: until then, audits fail."""
    return check_state(engine) == "ONGOING"


@dataclass
class Engines:
    """Two engines of a release: with Watcher's own datasource, and with ours.

    Attributes:
        stock: the engine with Watcher's own datasource.
        ours: the engine with ours.
        count: returns the number of requests of the second engine.
    """

    stock: Engine
    ours: Engine
    count: Callable[[], int]


@pytest.fixture(scope="module", params=WATCHER)
def engines(
    site: Site, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engines]:
    """Both engines of a release, once they have a model of the cloud."""
    release = str(request.param)
    folder = tmp_path_factory.mktemp(f"engines-{release}")
    host, port = site.prometheus.url.removeprefix("http://").split(":")
    prometheus = {"datasources": "prometheus"}
    address = {"host": host, "port": port}
    with Relay(int(port)) as relay:
        if request.param < FIRST_RELEASE:
            grouped = {**address, "port": str(relay.port), "grouped_queries": "true"}
            sections = {"watcher_datasources": prometheus, "prometheus_client": grouped}
        else:
            sections = {"watcher_datasources": {"datasources": "aetos"}}
        stock = engine(
            site, folder / "stock", release, watcher_datasources=prometheus, prometheus_client=address
        )
        ours = engine(site, folder / "ours", release, **sections)
        with stock, ours:
            for one in (stock, ours):
                assert wait_for(partial(is_ready, one), timeout=60), one.log.read_text()[-5000:]
            yield Engines(
                stock, ours, site.count if request.param >= FIRST_RELEASE else partial(asked, relay)
            )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_plans_equal_those_of_the_stock_datasource(engines: Engines, strategy: str) -> None:
    before = engines.count()
    expected = engines.stock.audit(strategy, STRATEGIES[strategy])
    assert engines.count() == before
    found = engines.ours.audit(strategy, STRATEGIES[strategy])
    queries = engines.count() - before
    assert found["state"] == expected["state"] == "ONGOING"
    assert found["plans"] == expected["plans"] == 1
    assert expected["actions"]
    assert in_order(found["actions"]) == in_order(expected["actions"])
    assert 0 < queries <= MAX_QUERIES


def in_order(actions: list[Any]) -> list[str]:
    """Return the actions, sorted: the planner orders them by random ids."""
    return sorted(json.dumps(action, sort_keys=True) for action in actions)


def test_the_check_at_the_start_is_logged(engines: Engines, site: Site) -> None:
    stock, ours = engines.stock.log.read_text(), engines.ours.log.read_text()
    assert "Datasource aetos" in stock, "the plugin is loaded, and says so"
    assert "not configured" in stock
    if engines.count != site.count:
        assert "Datasource prometheus" in ours
        assert "uses grouped queries" in ours
        return
    line = next(line for line in ours.splitlines() if "Datasource aetos" in line)
    for part in (
        "endpoint http://127.0.0.1:",
        "interface public",
        "role service",
        "8 hosts by label fqdn",
        "8 of 8 compute hosts have metrics",
    ):
        assert part in line
    requests = [json.loads(one) for one in site.requests.read_text().splitlines()]
    assert {one["user_name"] for one in requests} == {site.account.user}


WITH_AETOS = [str(release) for release in WATCHER if release >= FIRST_RELEASE]
NOT_REGISTERED = (
    "Aetos service not registered in Keystone: no metric-storage service in the catalog for interface public "
    "in region Nowhere: it is registered for admin in RegionOne, internal in RegionOne, public in RegionOne. "
    "Register the endpoint, or correct interface and region_name in [aetos_client]"
)
BOTH = (
    "configuration error: [watcher_datasources] datasources has both prometheus and aetos, which Watcher "
    "does not support; remove prometheus"
)


@pytest.mark.parametrize("release", first_of(WITH_AETOS))
@pytest.mark.parametrize(("datasources", "line"), [("aetos", NOT_REGISTERED), ("prometheus,aetos", BOTH)])
def test_a_mistake_in_the_configuration_stops_the_engine(
    site: Site, tmp_path: Path, release: str, datasources: str, line: str
) -> None:
    sections = {"watcher_datasources": {"datasources": datasources}}
    mistaken = engine(site, tmp_path, release, **sections, aetos_client={"region_name": "Nowhere"})
    process = mistaken.start()
    try:
        assert wait_for(lambda: process.status() is not None, timeout=60), process.tail()
        assert process.status() != 0
        assert f"watcher-decision-engine: datasource aetos: {line}" in mistaken.log.read_text()
    finally:
        mistaken.stop()


@pytest.mark.parametrize("release", first_of(WITH_AETOS))
def test_the_engine_starts_while_keystone_is_down(site: Site, tmp_path: Path, release: str) -> None:
    with Relay(site.keystone_port) as keystone:
        keystone.stop()
        early = Engine(
            tmp_path,
            release,
            auth_url=f"{keystone.url}/v3",
            account=site.account,
            options={"watcher_datasources": {"datasources": "aetos"}},
        )
        process = early.start()
        try:
            assert early.says("the request to Keystone at"), process.tail()
            assert early.says("Datasource aetos: the next check is in 5 s"), process.tail()
            keystone.start()
            assert early.says("8 hosts by label fqdn"), process.tail()
            assert wait_for(partial(is_ready, early), timeout=60), process.tail()
        finally:
            early.stop()


def test_an_engine_may_start_with_a_mistake(site: Site, tmp_path: Path) -> None:
    mistaken = engine(
        site,
        tmp_path,
        "17",
        watcher_datasources={"datasources": "aetos"},
        aetos_client={"region_name": "Nowhere", "require_at_start": "false"},
    )
    process = mistaken.start()
    try:
        assert mistaken.says(NOT_REGISTERED), process.tail()
        assert wait_for(lambda: check_state(mistaken) == "FAILED", timeout=60), process.tail()
    finally:
        mistaken.stop()
