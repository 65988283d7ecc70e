"""A Thanos Query of which a store is down: the plugins' client takes its response for an incomplete one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.e2e.asking import Asker, basic
from tests.e2e.engines import Labelled
from tests.e2e.stack import store_text
from tests.engines import program_of

from chrysaetos.client import MetricsClient
from chrysaetos.client.errors import PartialResult
from chrysaetos.demo.processes import LOOPBACK, wait_for
from chrysaetos.demo.thanos import Query, Sidecar

if TYPE_CHECKING:
    from contextlib import ExitStack

    from tests.e2e.stack import GatewayFor, People, Tokens, Window


def test_a_store_that_is_down_means_missing_data(
    *,
    servers: ExitStack,
    people: People,
    tokens: Tokens,
    window: Window,
    gateway_for: GatewayFor,
    tmp_path_factory: pytest.TempPathFactory,
):
    thanos = program_of("thanos")
    projects = str(people.a.project_id), str(people.b.project_id)
    sidecars = []
    for project in projects:
        store = Labelled(tmp_path_factory.mktemp("store"), {"replica": project})
        store.backfill(store_text(window, project))
        servers.enter_context(store)
        sidecars.append(Sidecar(tmp_path_factory.mktemp("sidecar"), thanos, store.url))
    up, down = sidecars
    servers.enter_context(up)
    # A strict endpoint is asked even when it is known to be down, as a store is just after it went down.
    query = Query(tmp_path_factory.mktemp("query"), thanos, [up], f"--endpoint-strict={LOOPBACK}:{down.grpc}")
    with down:
        servers.enter_context(query)
        gateway = gateway_for(query)
        session = Session(auth=Token(gateway.url, tokens.project(people.admin)))
        complete = MetricsClient(session, retries=0, require_complete=True)

        def found() -> set[str]:
            return {series.labels["project"] for series in complete.query_vector("cpu", time=window.now)}

        assert wait_for(lambda: found() == set(projects), timeout=30)
    with pytest.raises(PartialResult, match="data are missing in the response"):
        complete.query_vector("cpu", time=window.now)
    with pytest.raises(PartialResult, match="data are missing in the response"):
        complete.query_range("cpu", window.start, window.now, 60)
    rest = MetricsClient(session, retries=0).query_vector("cpu", time=window.now)
    assert {series.labels["project"] for series in rest} == {projects[0]}
    assert rest.warnings
    # The stores' addresses and labels are not for tenants.
    as_a = Asker(gateway_for(query, prometheus={"engine": "thanos"}), basic(people.a))
    for path, pairs in {
        "query": [("query", "cpu"), ("time", str(window.now))],
        "query_range": [
            ("query", "cpu"),
            ("start", str(window.start)),
            ("end", str(window.now)),
            ("step", "60"),
        ],
        "labels": [],
    }.items():
        answer = as_a(f"/api/v1/{path}", pairs)
        assert answer.json()["warnings"] == ["a store has failed: data may be missing"]
        assert answer.json()["data"]
        assert projects[1] not in answer.text
        assert str(down.grpc) not in answer.text
    as_a.close()
