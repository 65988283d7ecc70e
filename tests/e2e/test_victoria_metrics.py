"""The oracle for isolation with VictoriaMetrics, whose language MetricsQL resembles PromQL.

Queries in both languages have the result of a store with only A's series. Queries that are only MetricsQL do
not reach VictoriaMetrics.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import ALL_VMS, Asker, basic, visible_vms
from tests.e2e.engines import VICTORIA_METRICS
from tests.e2e.hostile import HOSTILE, REFUSED, SELECTORS
from tests.e2e.test_generated import NAMES, SEED
from tests.e2e.test_isolation import ask_for_own_expressions
from tests.property.grammar import Grammar
from tests.shared import shared_hostile

if TYPE_CHECKING:
    from tests.e2e.oracle import Oracle
    from tests.e2e.stack import People, Stores, StoresOf, Window

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
GENERATED = int(os.environ.get("CHRYSAETOS_E2E_QUERIES", "300")) // 2
NAME = re.compile(rf"(?<![\w.\\\"'`])(?:{'|'.join(NAMES)})(?![\w\"'`])")

OTHERWISE_READ = (
    'secret #\r{vm!="x"}',
    'cpu #\r{vm!="x"}',
    'cpu{vm!="x"} or secret #\r{vm!="x"}',
    "cpu{vm!=`\\`} or cpu{vm!=`} or secret # `}",
    "cpu{vm!=`x`} or cpu{vm!=`\\`} or secret #`}",
    "cpu{vm!=`\\`} or secret or cpu{vm!=`\\`}",
    "{vm!=`\\`,k!=`} or secret #`}",
    "{vm!=`\\`,k!=`} or {project!=`x` #`}",
    "cpu{vm!='\\''} or cpu{vm!='} or secret # '}",
    'cpu{vm!="\\\\"} or cpu{vm!="} or secret # "}',
    "cpu{vm!='\"'} or secret or cpu{vm!='\"'}",
    'cpu{vm!="# "} or secret',
    "cpu{vm!=`\r`} or cpu{vm!=`# `}",
    'cpu{vm!="x"} # \n or secret',
    'cpu{#\rvm!="x"\n}',
    'sum by (vm #\r) (secret{vm!="x"}\n) (secret)',
    "sec\\x72et",
    "c\\pu",
    'cpu{v\\m!="x"}',
    '{__name__="cpu",__name__!="x"}',
    '{__name__=~"secret|cpu"}',
    'cpu{__graphite__="*"}',
    '{__graphite__="secret"}',
    '{project="B",project!~"A"}',
    'cpu{project=~"A|B",project!="A"}',
    "sum(secret) by (project)",
    "count_values without (vm) ('project', secret)",
)
"""Expressions that the two languages may parse differently: ends of strings and comments, escapes."""

ONLY_METRICSQL = (
    "WITH (x = secret) x",
    'with (f(m) = sum(m{project="B"})) f(cpu)',
    '{vm="a1" or project="B"}',
    'cpu{vm="a1" or vm="b1",project="B"}',
    "secret default 0",
    "cpu if secret",
    "cpu ifnot secret",
    "sum(secret) limit 5",
    "rate(secret_total[5m]) keep_metric_names",
    "union(cpu, secret)",
    "(cpu, secret)",
    'label_set(secret, "project", "A")',
    'label_del(secret, "project")',
    'alias(secret, "cpu")',
    "default_rollup(secret[5m])",
    "rollup(secret)",
    "rate(secret_total)",
    "secret[5i]",
    "cpu offset 1i",
    'label_match(secret, "project", ".*")',
)
"""Expressions that are valid in VictoriaMetrics but not in Prometheus."""


@pytest.fixture(scope="module", params=VICTORIA_METRICS, ids=str)
def stores(request: pytest.FixtureRequest, stores_of: StoresOf) -> Stores:
    """Store AB and store A of VictoriaMetrics."""
    return stores_of(request.param)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "query", [*HOSTILE, *REFUSED, *shared_hostile()], ids=lambda query: ascii(query[:50])
)
def test_every_query_sees_only_the_own_project(oracle: Oracle, query: str, method: str):
    oracle.instant(query, method)
    oracle.range(query, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", OTHERWISE_READ, ids=ascii)
def test_queries_that_the_engine_parses_differently_see_only_the_own_project(
    oracle: Oracle, query: str, method: str
):
    oracle.instant(query, method)
    oracle.range(query, method)


@pytest.mark.parametrize("selector", [*SELECTORS, *OTHERWISE_READ], ids=ascii)
def test_every_selector_sees_only_the_own_project(oracle: Oracle, selector: str):
    oracle.select_everywhere(selector)


@pytest.mark.parametrize(
    "path", ["/api/v1/series", "/api/v1/labels", "/api/v1/label/__name__/values", "/federate"]
)
def test_several_selectors_or_none_see_only_the_own_project(oracle: Oracle, path: str):
    oracle.select_several(path)


@pytest.mark.parametrize("query", ONLY_METRICSQL)
def test_queries_only_for_victoria_metrics_are_rejected(oracle: Oracle, query: str):
    for method in METHODS:
        status, content = oracle.instant(query, method)
        assert (status, content["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "parameter",
    [
        ("extra_label", "project=B"),
        ("extra_filters", '{project="B"}'),
        ("extra_filters[]", '{project="B"}'),
        ("trace", "1"),
    ],
    ids=lambda parameter: parameter[0],
)
def test_parameters_only_for_victoria_metrics_have_no_effect(
    *,
    oracle: Oracle,
    gateway: Gateway,
    people: People,
    window: Window,
    parameter: tuple[str, str],
    method: str,
):
    asked = [("query", "cpu"), ("time", str(window.now))]
    _, plain = oracle.ask("/api/v1/query", asked, method)
    name, value = parameter
    asker = Asker(gateway, basic(people.a))
    answer = asker("/api/v1/query", [*asked, (name, oracle.text(value))], method=method)
    asker.close()
    assert answer.status_code == 400 or answer.json()["data"] == plain["data"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/export",
        "/api/v1/export/csv",
        "/api/v1/export/native",
        "/api/v1/import/prometheus",
        "/api/v1/series/count",
        "/api/v1/status/active_queries",
        "/api/v1/status/top_queries",
        "/api/v1/status/tsdb",
        "/flags",
        "/graphite/metrics/find",
        "/internal/force_flush",
        "/metrics",
        "/prometheus/api/v1/query",
        "/render",
        "/snapshot/create",
        "/vmui/",
        "/write",
    ],
)
def test_endpoints_only_in_victoria_metrics_are_not_served(gateway: Gateway, people: People, path: str):
    asker = Asker(gateway, basic(people.a))
    for method in METHODS:
        answer = asker(path, [("match[]", '{__name__=~".+"}'), ("query", "cpu")], method=method)
        assert answer.status_code in {403, 404, 405}, answer.text
    asker.close()


def test_expressions_of_prometheus_tests_see_only_the_own_project(oracle: Oracle):
    ask_for_own_expressions(oracle)


def test_the_tenants_data_is_not_empty(oracle: Oracle, people: People):
    _, content = oracle.instant("cpu")
    assert [series["metric"]["vm"] for series in content["data"]["result"]] == ["a1", "a2"]
    _, content = oracle.range("rate(requests_total[5m])", "POST")
    assert [len(series["values"]) for series in content["data"]["result"]] == [7] * 4
    _, content = oracle.selecting("/api/v1/label/project/values")
    assert content["data"] == [people.a.project_id]
    _, lines = oracle.selecting("/federate", "cpu")
    assert len(lines) == 2


def test_the_unscoped_store_would_show_more(gateway: Gateway, people: People, window: Window):
    assert visible_vms(gateway, people.admin, window) == ALL_VMS


UNSOUND = ('{vm=~"a{2000}{2000}"}', '{vm=~"(?i)["}', '{vm=~"[[:none:]]"}')
"""Selectors with invalid regular expressions, which the engine rejects and the gateway does not check."""


def test_an_error_reveals_nothing_of_the_upstream(gateway: Gateway, people: People):
    tenant, admin = (Asker(gateway, basic(account)) for account in (people.a, people.admin))
    for selector in (*SELECTORS, *OTHERWISE_READ, *UNSOUND):
        for path in ("/federate", "/api/v1/series", "/api/v1/query"):
            pairs = [("query" if path == "/api/v1/query" else "match[]", selector)]
            answer = tenant(path, pairs)
            for inner in ("remoteAddr", "requestURI", "127.0.0.1"):
                assert inner not in answer.text
            if answer.status_code >= 400:
                assert answer.json()["status"] == "error"
    for selector in UNSOUND:
        answer = tenant("/federate", [("match[]", selector)])
        assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
        assert "Prometheus refused the request" in answer.json()["error"]
        assert "error parsing regexp" not in answer.text
    # Unrestricted callers get the engine's own error.
    shown = admin("/federate", [("match[]", UNSOUND[0])])
    assert (shown.status_code, "error parsing regexp" in shown.text) == (400, True)
    for asker in (tenant, admin):
        asker.close()


def test_generated_queries_see_only_the_own_project(oracle: Oracle):
    chance = random.Random(SEED)  # noqa: S311  # the same queries each time
    grammar = Grammar(chance, modern=False, depth=3)
    seen: Counter[int] = Counter()
    with_data = 0
    for _ in range(GENERATED):
        query = NAME.sub(lambda match: NAMES[match[0]], grammar.query())
        ask = chance.choice((oracle.instant, oracle.range))
        status, content = ask(query, chance.choice(METHODS))
        seen[status] += 1
        assert isinstance(content, dict), (query, status, content)
        with_data += status == 200 and bool(content["data"]["result"])
    # Comparing only errors and empty results would prove nothing.
    assert seen[200] > GENERATED / 2, seen
    assert with_data > GENERATED / 5, (with_data, seen)
