"""Fixtures of the end-to-end tests: one Keystone and two stores for the whole session.

A program that is missing is a failure, never a skip: these tests are the proof of isolation.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import requests
from playwright.sync_api import sync_playwright
from tests.e2e.engines import EVERY, PROMETHEUS
from tests.e2e.oracle import Oracle
from tests.e2e.running_demo import running_demo
from tests.e2e.stack import Stores, Tokens, Window, create_people, exemplar_target, store_text
from tests.e2e.web_page import Demo, chromium
from tests.e2e.without_scoping import Unscoped

from chrysaetos.demo.cloud import Cloud, Tenant
from chrysaetos.demo.exporter import Exporter
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import Keystone
from chrysaetos.demo.processes import DemoError, Server, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser
    from tests.e2e.asking import HasUrl
    from tests.e2e.engines import Engine
    from tests.e2e.stack import Compared, GatewayFor, People, StoresOf, TextOf
    from tests.e2e.without_scoping import UnscopedFor

    from chrysaetos.demo.identities import Account


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how many requests the oracle has compared with each engine."""
    engines = {str(engine) for engine in EVERY}
    totals: dict[str, tuple[Counter[str], float]] = {}
    for report in terminalreporter.getreports("passed"):
        for engine, (compared, seconds) in (each for each in report.user_properties if each[0] in engines):
            total, before = totals.get(engine, (Counter(), 0.0))
            totals[engine] = total + Counter(compared), before + seconds
    if totals:
        terminalreporter.section("requests with the response of the tenant's own store")
    for engine, (compared, seconds) in totals.items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in compared.most_common() if kind)
        terminalreporter.line(f"{engine}: {compared.total()} in {seconds:.0f} s; known differences: {kinds}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium. Playwright keeps an event loop running, so not for the whole session."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[ExitStack]:
    """A stack of servers that stop at the end of the test session."""
    with ExitStack() as stack:
        yield stack


def _enter(servers: ExitStack, server: Server) -> None:
    try:
        servers.enter_context(server)
    except DemoError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def keystone(servers: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Keystone:
    """A real Keystone."""
    server = Keystone(tmp_path_factory.mktemp("keystone"))
    _enter(servers, server)
    return server


@pytest.fixture(scope="session")
def identity(keystone: Keystone) -> Iterator[IdentityApi]:
    """The API of that Keystone, as admin."""
    api = IdentityApi(keystone.url, keystone.admin_password)
    yield api
    api.close()


@pytest.fixture(scope="session")
def people(identity: IdentityApi, keystone: Keystone) -> People:
    """All accounts."""
    return create_people(identity, keystone.admin_password)


@pytest.fixture(scope="session")
def tokens(identity: IdentityApi) -> Tokens:
    """Issues tokens of every kind."""
    return Tokens(identity)


@pytest.fixture(scope="session")
def window() -> Window:
    """The time range of the samples in the stores."""
    return Window.around(time.time())


def _prometheus(directory: Path) -> Prometheus:
    try:
        return Prometheus(directory)
    except DemoError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def stores_of(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> StoresOf:
    """A function that returns store AB and store A of an engine."""
    running: dict[tuple[str, TextOf], Stores] = {}

    def start(engine: Engine, text_of: TextOf = store_text) -> Stores:
        key = engine.name, text_of
        if key not in running:
            a, b = str(people.a.project_id), str(people.b.project_id)
            made = []
            for projects in ((a, b), (a,)):
                directory = tmp_path_factory.mktemp("store")
                try:
                    made.append(engine.start(servers, directory, text_of(window, *projects), window))
                except DemoError as error:
                    pytest.fail(str(error), pytrace=False)
            running[key] = Stores(*made)
        return running[key]

    return start


@pytest.fixture(scope="session")
def stores(stores_of: StoresOf) -> Stores:
    """Store AB and store A in the Prometheus on PATH."""
    return stores_of(PROMETHEUS[0])


@pytest.fixture(scope="session")
def exemplar_stores(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> Stores:
    """Like ``stores``, but with only exemplars of the metric ``traced_seconds_bucket``.

    Exemplars cannot be written into a block, so these two servers scrape them.
    """
    assert people.a.project_id is not None
    assert people.b.project_id is not None
    of_a, of_b = {"a1": people.a.project_id}, {"b1": people.b.project_id}
    made: list[Prometheus] = []
    for projects in ({**of_a, **of_b}, of_a):
        exporter = Exporter([exemplar_target(window, projects)], free_port())
        servers.enter_context(exporter)
        server = _prometheus(tmp_path_factory.mktemp("exemplars"))
        server.scrape_configs = exporter.scrape_configs("1s")
        _enter(servers, server)
        made.append(server)
    for server in made:

        def scraped(url: str = f"{server.url}/api/v1/query_exemplars") -> bool:
            asked = {"query": "traced_seconds_bucket", "start": str(window.start), "end": str(window.end)}
            return bool(requests.get(url, params=asked, timeout=5).json()["data"])

        assert wait_for(scraped, timeout=20), "nothing was scraped"
    return Stores(*made)


@pytest.fixture(scope="session")
def gateway_for(
    servers: ExitStack, keystone: Keystone, people: People, tmp_path_factory: pytest.TempPathFactory
) -> GatewayFor:
    """A function that starts the real gateway process in front of a store.

    Each keyword is a section of the configuration with the options to add to it:
    `gateway_for(stores.ab, prometheus={"project_label_name": "tenant"})`.
    """
    running: dict[str, Gateway] = {}

    def start(store: HasUrl, /, **conf: Mapping[str, str]) -> Gateway:
        key = f"{store.url} {sorted((name, sorted(options.items())) for name, options in conf.items())}"
        if key not in running:
            server = Gateway(
                tmp_path_factory.mktemp("gateway"),
                keystone_url=keystone.url,
                prometheus_url=store.url,
                user=people.gateway.user,
                password=people.gateway.password,
                options=conf,
            )
            _enter(servers, server)
            running[key] = server
        return running[key]

    return start


@pytest.fixture
def compared(
    gateway_for: GatewayFor,
    people: People,
    window: Window,
    record_property: Callable[[str, object], None],
) -> Compared:
    """A function that opens the oracle for the stores of an engine, whose figures are shown at the end."""

    @contextmanager
    def compare(engine: Engine, stores: Stores) -> Iterator[Oracle]:
        oracle = Oracle(gateway_for(stores.ab), stores.a, people, window)
        try:
            yield oracle
        finally:
            oracle.close()
        record_property(str(engine), oracle.figures)

    return compare


@pytest.fixture(scope="module")
def gateway(stores: Stores, gateway_for: GatewayFor) -> Gateway:
    """The gateway over store AB, in modules that have their own ``stores``."""
    return gateway_for(stores.ab)


@pytest.fixture(scope="module")
def oracle(gateway: Gateway, stores: Stores, people: People, window: Window) -> Iterator[Oracle]:
    """The oracle for that gateway."""
    oracle = Oracle(gateway, stores.a, people, window)
    yield oracle
    oracle.close()


@pytest.fixture(scope="session")
def gateway_ab(gateway_for: GatewayFor, stores: Stores) -> Gateway:
    """The gateway over store AB."""
    return gateway_for(stores.ab)


@pytest.fixture(scope="session")
def gateway_a(gateway_for: GatewayFor, stores: Stores) -> Gateway:
    """The gateway over store A."""
    return gateway_for(stores.a)


@pytest.fixture(scope="session")
def gateway_demo(
    servers: ExitStack, gateway_for: GatewayFor, people: People, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    """The gateway over a Prometheus with samples of the demo for A and B, from now - 30 min to now + 2 h."""
    now = int(time.time())
    tenants = [Tenant(one.user, str(one.project_id), one.user_id) for one in (people.a, people.b)]
    store = _prometheus(tmp_path_factory.mktemp("demo"))
    store.backfill(Cloud(tenants, now).history(now - 1800, now + 7200, 60))
    _enter(servers, store)
    return gateway_for(store)


@pytest.fixture(scope="session")
def unscoped(
    servers: ExitStack, keystone: Keystone, people: People, tmp_path_factory: pytest.TempPathFactory
) -> UnscopedFor:
    """A function that starts a gateway that does not scope, with options of ``[prometheus]``."""

    def start(url: str, options: Mapping[str, str]) -> Gateway:
        gateway = Unscoped(
            tmp_path_factory.mktemp("unscoped"),
            keystone_url=keystone.url,
            prometheus_url=url,
            user=people.gateway.user,
            password=people.gateway.password,
            options={"prometheus": options},
        )
        servers.enter_context(gateway)
        return gateway

    return start


@pytest.fixture(scope="module")
def fellow(identity: IdentityApi) -> Account:
    """A user with roles in two projects without series."""
    name = f"fellow-{new_secret()}"
    projects = [identity.create_project(f"{name}-{letter}") for letter in "ab"]
    account = identity.create_account(name, projects[0], f"{name}-a", "member")
    identity.grant(account.user_id, "reader", on=f"/projects/{projects[1]}")
    return account


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of its own for a module."""
    folder = tmp_path_factory.mktemp("demo")
    with running_demo(folder) as state:
        yield Demo(folder / "demo", state)


@pytest.fixture(scope="module")
def tenant(demo: Demo) -> dict[str, str]:
    """The log-in of the demo's first tenant."""
    account: dict[str, str] = demo.tenants[0]
    return account
