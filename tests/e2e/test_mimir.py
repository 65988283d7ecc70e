"""Isolation with a Mimir that has the series of each project in a tenant of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import ALL_VMS, Asker, basic, visible_vms
from tests.e2e.hostile import HOSTILE, SELECTORS
from tests.e2e.mimir import Mimir
from tests.e2e.oracle import Oracle
from tests.e2e.stack import store_text
from tests.e2e.without_scoping import UnreadOracle, Unscoped
from tests.fakes.remote_read import EQ, RE, Matcher, query, read_series

from chrysaetos.tenancy.snappy import compress, decompress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Window
    from tests.e2e.without_scoping import UnscopedFor

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
WITHOUT = "without scoping"
BOTH = "with scoping"


@pytest.fixture(scope="module")
def mimirs(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mimir, Mimir]:
    """A Mimir with A's series in the tenant ``gold`` and all others in ``rest``, and one with only A's."""
    a, b = str(people.a.project_id), str(people.b.project_id)
    both = servers.enter_context(Mimir(tmp_path_factory.mktemp("mimir"), tenants=True))
    own = list(store_text(window, a))
    both.fill(own, "gold")
    both.fill((series for series in store_text(window, a, b) if series not in own), "rest")
    only = servers.enter_context(Mimir(tmp_path_factory.mktemp("mimir")))
    only.fill(own)
    return both, only


@pytest.fixture(scope="module")
def options(people: People) -> dict[str, str]:
    """The options that the guide names."""
    return {
        "engine": "mimir",
        "tenants": f"{people.a.project_id}:gold, *:rest",
        "headers": "X-Scope-OrgID:gold|rest",
    }


@pytest.fixture(scope="module", params=[WITHOUT, BOTH])
def gateway(
    *,
    request: pytest.FixtureRequest,
    mimirs: tuple[Mimir, Mimir],
    options: dict[str, str],
    gateway_for: GatewayFor,
    unscoped: UnscopedFor,
) -> Gateway:
    """A gateway that names the tenant, with or without its own scoping."""
    if request.param == WITHOUT:
        return unscoped(mimirs[0].url, options)
    return gateway_for(mimirs[0], prometheus=options)


@pytest.fixture(scope="module")
def oracle(gateway: Gateway, mimirs: tuple[Mimir, Mimir], people: People, window: Window) -> Iterator[Oracle]:
    kind = UnreadOracle if isinstance(gateway, Unscoped) else Oracle
    oracle = kind(gateway, mimirs[1], people, window)
    yield oracle
    oracle.close()


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_every_query_sees_only_the_own_project(oracle: Oracle, text: str):
    for method in METHODS:
        oracle.instant(text, method)
        oracle.range(text, method)


@pytest.mark.parametrize("selector", SELECTORS, ids=ascii)
def test_every_selector_sees_only_the_own_project(oracle: Oracle, selector: str):
    oracle.select_everywhere(selector)


def test_a_clients_own_tenant_does_not_count(gateway: Gateway, people: People, window: Window):
    asker = Asker(gateway, basic(people.a), {"X-Scope-OrgID": "gold|rest"})
    answer = asker("/api/v1/query", [("query", "cpu"), ("time", str(window.now))]).json()
    asker.close()
    assert {series["metric"]["vm"] for series in answer["data"]["result"]} == {"a1", "a2"}


def test_remote_read_sees_only_the_own_project(gateway: Gateway, people: People, window: Window):
    asker = Asker(gateway, basic(people.a))
    wanted = [Matcher(EQ, "__name__", "cpu"), Matcher(RE, "vm", ".*")]
    message = query(wanted, (window.now - 600) * 1000, window.now * 1000)
    answer = asker.message("/api/v1/read", compress(message))
    asker.close()
    assert answer.status_code == 200, answer.text
    series = read_series(decompress(answer.content, 1 << 20))
    assert {labels["vm"] for labels, _ in series} == {"a1", "a2"}


def test_callers_who_may_see_everything_see_all_tenants(gateway: Gateway, people: People, window: Window):
    assert visible_vms(gateway, people.admin, window) == ALL_VMS
