"""The cache of Thanos' query frontend: tenants share it, and never see each other's series in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import Asker, basic
from tests.e2e.engines import Labelled
from tests.e2e.stack import store_text
from tests.engines import program_of

from chrysaetos.demo.processes import wait_for
from chrysaetos.demo.thanos import Query, QueryFrontend, Sidecar

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Window

    from chrysaetos.demo.gateway import Gateway

QUERIES = (
    "cpu",
    "sum by (vm) (rate(requests_total[5m]))",
    'cpu or {__name__="secret"}',
    'cpu # {project="B"}',
)


@pytest.fixture(scope="module")
def query(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> Query:
    """A Thanos Query over the store of A and B, which enforces no tenancy itself."""
    program = program_of("thanos")
    store = Labelled(tmp_path_factory.mktemp("store"), {"replica": "one"})
    store.backfill(store_text(window, str(people.a.project_id), str(people.b.project_id)))
    servers.enter_context(store)
    sidecar = servers.enter_context(Sidecar(tmp_path_factory.mktemp("sidecar"), program, store.url))
    query = servers.enter_context(Query(tmp_path_factory.mktemp("query"), program, [sidecar]))

    def found() -> bool:
        pairs = {"query": "cpu", "time": str(window.now)}
        answer = requests.get(f"{query.url}/api/v1/query", params=pairs, timeout=30)
        return bool(answer.json()["data"]["result"])

    assert wait_for(found, timeout=30), "Thanos finds nothing"
    return query


@pytest.fixture(scope="module")
def gateway(
    query: Query, servers: ExitStack, gateway_for: GatewayFor, tmp_path_factory: pytest.TempPathFactory
) -> Gateway:
    """A gateway in front of the frontend. It sends no tenant header: only the scoped text differs."""
    frontend = QueryFrontend(tmp_path_factory.mktemp("frontend"), program_of("thanos"), query)
    return gateway_for(servers.enter_context(frontend))


def range_queries(query: Query) -> int:
    """Return how many range queries Thanos Query has answered."""
    text = requests.get(f"{query.url}/metrics", timeout=30).text
    counts = re.findall(r'^http_requests_total\{[^}]*handler="query_range"[^}]*\} (\d+)', text, re.MULTILINE)
    return sum(map(int, counts))


@pytest.mark.parametrize("text", QUERIES)
def test_the_cache_does_not_mix_tenants(
    *, text: str, gateway: Gateway, query: Query, people: People, window: Window
):
    # Older than the frontend's minute of freshness, so that the whole range is cached.
    times = [("start", str(window.start)), ("end", str(window.start + 3600)), ("step", "60")]
    pairs = [("query", text), *times]
    askers = {one: Asker(gateway, basic(getattr(people, one))) for one in ("a", "b", "admin")}

    def vms(who: str) -> set[str]:
        answer = askers[who]("/api/v1/query_range", pairs)
        assert answer.status_code == 200, answer.text
        return {series["metric"]["vm"] for series in answer.json()["data"]["result"]}

    first = {who: vms(who) for who in askers}
    assert first["a"] == {"a1", "a2"}
    assert first["b"] == {"b1", "b2"}
    assert first["admin"] >= first["a"] | first["b"]
    before = range_queries(query)
    for who in ("b", "a", "admin", "a", "b"):
        assert vms(who) == first[who]
    assert range_queries(query) == before, "the cache was not used"
    for asker in askers.values():
        asker.close()
