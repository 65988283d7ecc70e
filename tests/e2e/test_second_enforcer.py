"""The engine's own enforcement: with the gateway's scoping switched off, and with both.

For every query of A, the gateway over the store of A and B returns the same as the store of A. Without
scoping, queries are not even parsed: extensions of PromQL reach the engine.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import ALL_VMS, Asker, basic, visible_vms
from tests.e2e.engines import VICTORIA_METRICS
from tests.e2e.hostile import DOTTED, HOSTILE, ONLY_METRICSQL, OTHERWISE_READ, SELECTORS
from tests.e2e.oracle import Oracle
from tests.e2e.stack import store_text
from tests.e2e.test_generated import SEED, told
from tests.e2e.without_scoping import UnreadOracle, Unscoped
from tests.property.grammar import Grammar
from tests.shared import shared_hostile

from chrysaetos.demo.processes import wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.tenancy.engine import hash_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from tests.e2e.engines import Engine
    from tests.e2e.stack import GatewayFor, People, Stores, StoresOf, Window
    from tests.e2e.without_scoping import UnscopedFor

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
GENERATED = 150
TEXTS = (*HOSTILE, *OTHERWISE_READ, *DOTTED, *shared_hostile())
WITHOUT = "without scoping"
BOTH = "with scoping"


@pytest.fixture(scope="module", params=VICTORIA_METRICS, ids=str)
def stores(request: pytest.FixtureRequest, stores_of: StoresOf) -> Stores:
    """Store AB and store A of VictoriaMetrics."""
    return stores_of(request.param)


@pytest.fixture(scope="module", params=[WITHOUT, BOTH])
def gateway(
    request: pytest.FixtureRequest, stores: Stores, unscoped: UnscopedFor, gateway_for: GatewayFor
) -> Gateway:
    """A gateway that lets the engine enforce the scope, with or without its own scoping."""
    options = {"engine": "victoriametrics"}
    if request.param == WITHOUT:
        return unscoped(stores.ab.url, options)
    return gateway_for(stores.ab, prometheus=options)


@pytest.fixture(scope="module")
def oracle(gateway: Gateway, stores: Stores, people: People, window: Window) -> Iterator[Oracle]:
    kind = UnreadOracle if isinstance(gateway, Unscoped) else Oracle
    oracle = kind(gateway, stores.a, people, window)
    yield oracle
    oracle.close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", [*TEXTS, *ONLY_METRICSQL], ids=lambda query: ascii(query[:50]))
def test_every_query_sees_only_the_own_project(oracle: Oracle, query: str, method: str):
    oracle.instant(query, method)
    oracle.range(query, method)


@pytest.mark.parametrize("selector", [*SELECTORS, *OTHERWISE_READ, '{vm="a1" or project="B"}'], ids=ascii)
def test_every_selector_sees_only_the_own_project(oracle: Oracle, selector: str):
    oracle.select_everywhere(selector)


@pytest.mark.parametrize(
    "path", ["/api/v1/series", "/api/v1/labels", "/api/v1/label/__name__/values", "/federate"]
)
def test_several_selectors_or_none_see_only_the_own_project(oracle: Oracle, path: str):
    oracle.select_several(path)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", ["extra_label", "extra_filters", "extra_filters[]", "EXTRA_FILTERS[]", "Extra_Filters[]"]
)
def test_a_clients_own_filter_does_not_widen_the_scope(
    *, gateway: Gateway, oracle: Oracle, people: People, window: Window, name: str, method: str
):
    value = "project=B" if name == "extra_label" else '{project=~".*"}'
    asked = [("query", "cpu"), ("time", str(window.now))]
    _, plain = oracle.ask("/api/v1/query", asked, method)
    assert plain["data"]["result"]
    asker = Asker(gateway, basic(people.a))
    answer = asker("/api/v1/query", [*asked, (name, oracle.text(value))], method=method)
    asker.close()
    assert answer.json()["data"] == plain["data"]


def test_unrestricted_callers_see_everything(gateway: Gateway, people: People, window: Window):
    asked = ("extra_filters[]", '{vm="a1"}')
    assert visible_vms(gateway, people.admin, window, asked) == ALL_VMS


def test_generated_queries_see_only_the_own_project(oracle: Oracle):
    chance = random.Random(SEED + 1)  # the same queries each time
    # Not each engine reads a metric with the name of a function, which the gateway would write in braces.
    grammar = Grammar(chance, modern=False, depth=3, words=not isinstance(oracle, UnreadOracle))
    with_data = 0
    for _ in range(GENERATED):
        ask = chance.choice((oracle.instant, oracle.range))
        status, content = ask(told(grammar.query()), chance.choice(METHODS))
        with_data += status == 200 and bool(content["data"]["result"])
    assert with_data > GENERATED / 5, with_data


def test_without_both_enforcers_a_tenant_would_see_everything(
    stores: Stores, unscoped: UnscopedFor, people: People, window: Window
):
    gateway = unscoped(stores.ab.url, {"engine": "prometheus"})
    assert visible_vms(gateway, people.a, window) == ALL_VMS
    asker = Asker(gateway, basic(people.a))
    # The gateway scopes a long text in another process, and all that follow if they took much CPU time.
    for length in (0, 10, 1000, 10_000, 10):
        pairs = [("query", f"count(cpu) #{'x' * length}"), ("time", str(window.now))]
        (series,) = asker("/api/v1/query", pairs, method="POST").json()["data"]["result"]
        assert series["value"][1] == str(len(ALL_VMS)), length
    asker.close()


LABELS = {
    "metric_label_names": "ceilometer_*:project_id, ceilometer_rate:tenant, ceilometer_plain:project",
    "open_metrics": "up, public_*",
}


def labelled_text(window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]:
    """Yield series that A may see with ``LABELS``; with ``project_b``, also those of B and the operator."""
    own = [
        f'cpu{{project="{project_a}",vm="a1"}}',
        f'ceilometer_cpu{{project_id="{project_a}",vm="a1"}}',
        f'ceilometer_cpu{{project="{project_a}",project_id="other",vm="a2"}}',
        f'ceilometer_plain{{project="{project_a}",vm="a1"}}',
        f'ceilometer_rate{{tenant="{project_a}",vm="a1"}}',
        'public_load{node="n1"}',
        'up{node="n1"}',
    ]
    others = [
        f'cpu{{project="{project_b}",vm="b1"}}',
        f'cpu{{project_id="{project_a}",vm="b1"}}',
        f'ceilometer_cpu{{project_id="{project_b}",vm="b1"}}',
        f'ceilometer_cpu{{tenant="{project_a}",vm="b1"}}',
        f'ceilometer_plain{{project_id="{project_a}",vm="b1"}}',
        f'ceilometer_rate{{tenant="{project_b}",vm="b1"}}',
        f'ceilometer_rate{{project_id="{project_a}",vm="b1"}}',
        'secret_up{node="n1"}',
        'upper{node="n1"}',
    ]
    for series in sorted(own + (others if project_b else [])):
        yield "".join(f"{series} 1 {moment}\n" for moment in range(window.start, window.end + 1, 60))
    yield "# EOF\n"


@pytest.mark.parametrize("engine", VICTORIA_METRICS, ids=str)
def test_the_engine_enforces_the_table_of_labels(
    *, engine: Engine, stores_of: StoresOf, unscoped: UnscopedFor, people: People, window: Window
):
    stores = stores_of(engine, labelled_text)
    gateway = unscoped(stores.ab.url, {"engine": "victoriametrics", **LABELS})
    oracle = UnreadOracle(gateway, stores.a, people, window)
    for query in (
        '{__name__!=""}',
        '{__name__=~"ceilometer_.*"}',
        '{vm=~".+"}',
        '{node="n1"}',
        *("cpu", "ceilometer_cpu", "ceilometer_plain", "ceilometer_rate", "public_load", "up", "secret_up"),
        "sum(ceilometer_cpu) / sum(up)",
        "absent(upper)",
    ):
        for method in METHODS:
            status, _ = oracle.instant(query, method)
            assert status == 200
        if not query.endswith(")"):
            oracle.selecting("/api/v1/series", query)
            oracle.selecting("/federate", query)
    _, content = oracle.instant('{__name__!=""}')
    assert len(content["data"]["result"]) == 7
    oracle.close()


@pytest.mark.parametrize("engine", VICTORIA_METRICS, ids=str)
def test_the_engine_deletes_only_the_own_series(
    *, engine: Engine, stores_of: StoresOf, unscoped: UnscopedFor, people: People
):
    def text_of(window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]:
        return store_text(window, project_a, project_b)

    stores = stores_of(engine, text_of)
    gateway = unscoped(stores.ab.url, {"engine": "victoriametrics"})
    gateway.policy_file.write_text('"telemetry:admin_delete_metrics:own_project": "role:member"\n')
    tenant, admin = (Asker(gateway, basic(account)) for account in (people.a, people.admin))
    everything = [("match[]", '{__name__!=""}')]

    def deleted() -> bool:
        return tenant("/api/v1/admin/tsdb/delete_series", everything, method="POST").status_code == 204

    assert wait_for(deleted, timeout=10), "the policy was not read"
    assert tenant("/api/v1/series", everything).json()["data"] == []
    left = admin("/api/v1/series", everything).json()["data"]
    assert {series.get("project") for series in left} == {people.b.project_id, None}
    for asker in (tenant, admin):
        asker.close()


def test_a_bucket_is_that_of_prometheus_relabelling(servers: ExitStack, tmp_path: Path):
    projects = ["", "a", "1f0c8a7e5d3b4a2e9c6d8f7a5b3c1d0e", "naïve", "x" * 100]
    bucket = {"source_labels": ["owner"], "action": "hashmod", "target_label": "bucket"}
    targets = [
        {"targets": [f"127.0.0.1:{number}"], "labels": {"owner": project, "number": str(number)}}
        for number, project in enumerate(projects, start=1)
    ]
    jobs = [
        {
            "job_name": f"by-{count}",
            "static_configs": targets,
            "relabel_configs": [bucket | {"modulus": count}],
        }
        for count in (1, 7, 16, 1000)
    ]
    prometheus = Prometheus(tmp_path, scrape_configs=jobs)
    servers.enter_context(prometheus)

    def found() -> list[dict[str, str]]:
        answer = requests.get(f"{prometheus.url}/api/v1/targets?state=active", timeout=10)
        return [target["labels"] for target in answer.json()["data"]["activeTargets"]]

    assert wait_for(lambda: len(found()) == len(jobs) * len(projects), timeout=20)
    for labels in found():
        project, count = projects[int(labels["number"]) - 1], int(labels["job"].removeprefix("by-"))
        assert labels["bucket"] == str(hash_bucket(project, count)), (project, count)
