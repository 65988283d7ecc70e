"""The oracle for isolation with VictoriaMetrics, whose language MetricsQL resembles PromQL.

Queries in both languages have the result of a store with only A's series. Queries that are only MetricsQL do
not reach VictoriaMetrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from tests.e2e.asking import ALL_VMS, Asker, basic, meaning, visible_vms
from tests.e2e.engines import VICTORIA_METRICS
from tests.e2e.hostile import DOTTED, HOSTILE, ONLY_METRICSQL, OTHERWISE_READ, REFUSED, SELECTORS
from tests.e2e.stack import STEP, store_text
from tests.shared import shared_hostile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.oracle import Oracle
    from tests.e2e.stack import People, Stores, StoresOf, Window

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")
HEXADECIMAL = {
    "cpu offset 0x10": "cpu offset 16s",
    "cpu offset -0x10": "cpu offset -16s",
    "cpu[0x100]": "cpu[256s]",
}
HEXADECIMAL |= {f"rate({text})": f"rate({seconds})" for text, seconds in HEXADECIMAL.items() if "[" in text}
"""Durations that Prometheus reads, and that ended the process of an old release, with the same in seconds."""


def dotted_text(window: Window, project_a: str, project_b: str | None = None) -> Iterator[str]:
    """Yield a store's content. B and the operator also have metrics with the names in ``DOTTED``."""
    yield from (piece for piece in store_text(window, project_a, project_b) if piece != "# EOF\n")
    if project_b is not None:
        for labels in (f'project="{project_b}",vm="b1"', 'vm="host"'):
            for name in ("bool.5", "BOOL.5e1"):
                yield "".join(
                    f"{name}{{{labels}}} 7 {moment}\n" for moment in range(window.start, window.end + 1, STEP)
                )


@pytest.fixture(scope="module", params=VICTORIA_METRICS, ids=str)
def stores(request: pytest.FixtureRequest, stores_of: StoresOf) -> Stores:
    """Store AB and store A of VictoriaMetrics."""
    return stores_of(request.param, dotted_text)


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


def test_a_comparison_is_not_sent_as_the_name_of_another_projects_metric(
    gateway: Gateway, stores: Stores, people: People, window: Window
):
    at = ("time", str(window.now))
    for name in ("bool.5", "BOOL.5e1"):
        found = requests.get(f"{stores.ab.url}/api/v1/query", params=[("query", name), at], timeout=30).json()
        assert {each["metric"].get("vm") for each in found["data"]["result"]} == {"b1", "host"}
    asker = Asker(gateway, basic(people.a))
    for text in DOTTED:
        apart = text.replace("bool.", "bool .").replace("BOOL.", "BOOL .")
        for method in METHODS:
            answers = [asker("/api/v1/query", [("query", each), at], method=method) for each in (text, apart)]
            assert [answer.status_code for answer in answers] == [200, 200], text
            assert meaning(answers[0])[1]["data"] == meaning(answers[1])[1]["data"], text
    asker.close()


@pytest.mark.parametrize("query", HEXADECIMAL)
def test_hexadecimal_durations_reach_the_engine_as_seconds(
    gateway: Gateway, people: People, window: Window, query: str
):
    asker = Asker(gateway, basic(people.a))
    at = ("time", str(window.now))
    for method in METHODS:
        texts = (query, HEXADECIMAL[query])
        answers = [asker("/api/v1/query", [("query", text), at], method=method) for text in texts]
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        assert meaning(answers[0])[1]["data"] == meaning(answers[1])[1]["data"]
        assert answers[0].json()["data"]["result"]
    asker.close()


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
