"""Isolation with a Thanos Query that also enforces tenancy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import Asker, basic
from tests.e2e.engines import Thanos
from tests.e2e.hostile import HOSTILE, SELECTORS
from tests.e2e.oracle import Oracle
from tests.e2e.stack import store_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Window
    from tests.e2e.without_scoping import UnscopedFor

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
ENFORCED = ("--query.enforce-tenancy", "--query.tenant-label-name=project")


def differs(query: str) -> bool:
    """Return whether Thanos replaces a matcher of the project's label, or adds the label to absent()."""
    return "roj" in query or "absent" in query  # a letter of the label may be escaped


@pytest.fixture(scope="module")
def queries(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Thanos, Thanos]:
    """A Thanos that enforces tenancy over the store of A and B, and one over A's store that does not."""
    a, b = str(people.a.project_id), str(people.b.project_id)
    made = []
    for projects, options in (((a, b), ENFORCED), ((a,), ())):
        thanos = Thanos(tmp_path_factory.mktemp("thanos"), *options)
        thanos.backfill(store_text(window, *projects))
        servers.enter_context(thanos)
        made.append(thanos)
    return made[0], made[1]


@pytest.fixture(scope="module")
def gateway(queries: tuple[Thanos, Thanos], gateway_for: GatewayFor) -> Gateway:
    """A gateway that scopes, in front of a Thanos that enforces the scope as well."""
    return gateway_for(queries[0], prometheus={"engine": "thanos"})


@pytest.fixture(scope="module")
def oracle(
    gateway: Gateway, queries: tuple[Thanos, Thanos], people: People, window: Window
) -> Iterator[Oracle]:
    oracle = Oracle(gateway, queries[1], people, window)
    yield oracle
    oracle.close()


@pytest.mark.parametrize("query", [query for query in HOSTILE if not differs(query)], ids=ascii)
def test_every_query_sees_only_the_own_project(oracle: Oracle, query: str):
    for method in METHODS:
        oracle.instant(query, method)
        oracle.range(query, method)


@pytest.mark.parametrize("selector", [query for query in SELECTORS if not differs(query)], ids=ascii)
def test_every_selector_sees_only_the_own_project(oracle: Oracle, selector: str):
    for method in METHODS:
        oracle.selecting("/api/v1/series", selector, method=method)
        oracle.selecting("/api/v1/labels", selector, method=method)
    oracle.selecting("/api/v1/label/vm/values", selector)


@pytest.mark.parametrize("query", [query for query in HOSTILE if differs(query)], ids=ascii)
def test_queries_that_thanos_answers_differently_see_only_the_own_project(
    *, gateway: Gateway, oracle: Oracle, people: People, window: Window, query: str
):
    asker = Asker(gateway, basic(people.a), {"THANOS-TENANT": str(people.b.project_id)})
    for method in METHODS:
        pairs = [("query", oracle.text(query)), ("time", str(window.now))]
        answer = asker("/api/v1/query", pairs, method=method)
        assert answer.status_code in {200, 400, 422}
        if answer.status_code == 200:
            oracle.nothing_of_b(answer.json()["data"], pairs)
    asker.close()


def test_thanos_enforces_the_header(
    queries: tuple[Thanos, Thanos], unscoped: UnscopedFor, people: People, window: Window
):
    gateway = unscoped(queries[0].url, {"engine": "thanos"})
    for account, own in ((people.a, ["a1", "a2"]), (people.b, ["b1", "b2"])):
        asker = Asker(gateway, basic(account))
        content = asker("/api/v1/query", [("query", "cpu"), ("time", str(window.now))]).json()
        assert [series["metric"]["vm"] for series in content["data"]["result"]] == own
        names = asker("/api/v1/label/vm/values", [("match[]", "cpu")]).json()["data"]
        assert names == own
        asker.close()


def test_the_two_answers_that_differ(gateway: Gateway, people: People, window: Window):
    asker = Asker(gateway, basic(people.a))

    def metrics(query: str) -> list[dict[str, str]]:
        answer = asker("/api/v1/query", [("query", query), ("time", str(window.now))])
        return [series["metric"] for series in answer.json()["data"]["result"]]

    assert [one["vm"] for one in metrics(f'cpu{{project="{people.b.project_id}"}}')] == ["a1", "a2"]
    assert metrics("absent(nothing)") == [{"project": people.a.project_id}]
    asker.close()


def test_without_the_header_thanos_shows_nothing(gateway: Gateway, people: People, window: Window):
    asker = Asker(gateway, basic(people.admin))
    content = asker("/api/v1/query", [("query", "cpu"), ("time", str(window.now))]).json()
    asker.close()
    assert content["data"]["result"] == []
