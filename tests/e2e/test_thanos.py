"""Isolation with a Thanos Query that also enforces tenancy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from tests.e2e.asking import Asker, basic
from tests.e2e.hostile import HOSTILE, SELECTORS
from tests.e2e.oracle import Oracle
from tests.e2e.stack import store_text
from tests.e2e.test_external_labels import Labelled
from tests.engines import program_of

from chrysaetos.demo.processes import LOOPBACK, Server, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from tests.e2e.stack import GatewayFor, People, Window
    from tests.e2e.without_scoping import UnscopedFor

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
ENFORCED = ("--query.enforce-tenancy", "--query.tenant-label-name=project")


def differs(query: str) -> bool:
    """Return whether Thanos replaces a matcher of the project's label, or adds the label to absent()."""
    return "project" in query or "absent" in query


class Sidecar(Server):
    """A Thanos sidecar, which lets Thanos read a Prometheus."""

    name: ClassVar[str] = "Sidecar"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, prometheus: str) -> None:
        super().__init__(directory)
        self._prometheus = prometheus
        self.grpc = free_port()

    def prepare(self) -> None:
        """Do nothing: Thanos needs no files."""

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            program_of("thanos"),
            "sidecar",
            f"--prometheus.url={self._prometheus}",
            f"--http-address={LOOPBACK}:{self.port}",
            f"--grpc-address={LOOPBACK}:{self.grpc}",
        ]


class Query(Server):
    """Thanos Query over one sidecar."""

    name: ClassVar[str] = "Query"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(self, directory: Path, sidecar: Sidecar, *options: str) -> None:
        super().__init__(directory)
        self._sidecar = sidecar
        self._options = options
        self._grpc = free_port()

    @property
    def url(self) -> str:
        """The root URL of the HTTP API."""
        return self.root_url

    def prepare(self) -> None:
        """Do nothing: Thanos needs no files."""

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            program_of("thanos"),
            "query",
            f"--endpoint={LOOPBACK}:{self._sidecar.grpc}",
            f"--http-address={LOOPBACK}:{self.port}",
            f"--grpc-address={LOOPBACK}:{self._grpc}",
            "--query.replica-label=replica",
            *self._options,
        ]


@pytest.fixture(scope="module")
def queries(
    servers: ExitStack, people: People, window: Window, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Query, Query]:
    """A Thanos that enforces tenancy over the store of A and B, and one over A's store that does not."""
    program_of("thanos")
    a, b = str(people.a.project_id), str(people.b.project_id)
    made = []
    for projects, options in (((a, b), ENFORCED), ((a,), ())):
        store = Labelled(tmp_path_factory.mktemp("store"), {"replica": "one"})
        store.backfill(store_text(window, *projects))
        servers.enter_context(store)
        sidecar = Sidecar(tmp_path_factory.mktemp("sidecar"), store.url)
        servers.enter_context(sidecar)
        query = Query(tmp_path_factory.mktemp("query"), sidecar, *options)
        servers.enter_context(query)
        asker = Asker(query, headers={"THANOS-TENANT": a})

        def found(asker: Asker = asker) -> bool:
            pairs = [("query", "cpu"), ("time", str(window.now))]
            return bool(asker("/api/v1/query", pairs).json()["data"]["result"])

        assert wait_for(found, timeout=30), "Thanos finds nothing"
        asker.close()
        made.append(query)
    return made[0], made[1]


@pytest.fixture(scope="module")
def gateway(queries: tuple[Query, Query], gateway_for: GatewayFor) -> Gateway:
    """A gateway that scopes, in front of a Thanos that enforces the scope as well."""
    return gateway_for(queries[0], prometheus={"engine": "thanos"})


@pytest.fixture(scope="module")
def oracle(
    gateway: Gateway, queries: tuple[Query, Query], people: People, window: Window
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
    queries: tuple[Query, Query], unscoped: UnscopedFor, people: People, window: Window
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
