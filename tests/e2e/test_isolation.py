"""The oracle for isolation.

For every request of A, the gateway over the store of A and B returns the same as a store with only A's series
that is queried directly: the same status, data, labels and warnings. It contains nothing of B's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import ALL_VMS, visible_vms
from tests.e2e.engines import ISOLATED
from tests.e2e.hostile import HOSTILE, REFUSED, SELECTORS
from tests.e2e.oracle import Oracle
from tests.shared import shared_hostile

if TYPE_CHECKING:
    from tests.e2e.stack import GatewayFor, People, Stores, StoresOf, Window

    from chrysaetos.demo.gateway import Gateway

METHODS = ("GET", "POST")


@pytest.fixture(scope="module", params=ISOLATED, ids=str)
def stores(request: pytest.FixtureRequest, stores_of: StoresOf) -> Stores:
    """Store AB and store A of a Prometheus."""
    return stores_of(request.param)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "query", [*HOSTILE, *REFUSED, *shared_hostile()], ids=lambda query: ascii(query[:50])
)
def test_every_query_sees_only_the_own_project(oracle: Oracle, query: str, method: str):
    oracle.instant(query, method)
    oracle.range(query, method)
    oracle.exemplars(query, method)


@pytest.mark.parametrize("query", [*REFUSED], ids=lambda query: ascii(query[:50]))
def test_invalid_promql_is_rejected(oracle: Oracle, query: str):
    status, content = oracle.instant(query, "POST")
    assert (status, content["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("selector", SELECTORS, ids=ascii)
def test_every_selector_sees_only_the_own_project(oracle: Oracle, selector: str, method: str):
    oracle.selecting("/api/v1/series", selector, method=method)
    oracle.selecting("/api/v1/labels", selector, method=method)


@pytest.mark.parametrize("selector", SELECTORS, ids=ascii)
def test_every_selector_in_a_get_sees_only_the_own_project(oracle: Oracle, selector: str):
    oracle.selecting("/federate", selector)
    for label in ("__name__", "project", "vm", "operator", "nothing"):
        oracle.selecting(f"/api/v1/label/{label}/values", selector)


@pytest.mark.parametrize(
    "query", [*HOSTILE[len(SELECTORS) :], *REFUSED, *shared_hostile()], ids=lambda query: ascii(query[:50])
)
def test_invalid_selectors_are_rejected(oracle: Oracle, query: str):
    for path in ("/api/v1/series", "/api/v1/labels", "/api/v1/label/vm/values", "/federate"):
        oracle.selecting(path, query)


@pytest.mark.parametrize(
    "path", ["/api/v1/series", "/api/v1/labels", "/api/v1/label/__name__/values", "/federate"]
)
def test_several_selectors_or_none_see_only_the_own_project(oracle: Oracle, path: str):
    for selectors in ((), ("cpu", "secret"), ("secret", '{project="B"}', "cpu"), ('{__name__=~".+"}',) * 3):
        status, _ = oracle.selecting(path, *selectors)
        assert status == 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", ["cpu", "secret", '{__name__=~".+"}', "rate(requests_total[5m])", "1"])
def test_the_cost_of_a_query_counts_only_the_own_series(
    oracle: Oracle, window: Window, query: str, method: str
):
    instant = [("query", query), ("time", str(window.now))]
    times = [("start", str(window.now - 600)), ("end", str(window.now)), ("step", "60")]
    for path, pairs in (("query", instant), ("query_range", [("query", query), *times])):
        oracle.ask(f"/api/v1/{path}_cost", pairs, method)
        oracle.ask(f"/api/v1/{path}", [*pairs, ("stats", "all"), ("cost", "true")], method)
        for limit in ("max_series", "max_samples_read"):
            oracle.ask(f"/api/v1/{path}", [*pairs, (limit, "3")], method)


def test_the_cost_of_a_query_is_shown(oracle: Oracle, window: Window):
    """The oracle does not show that there are statistics where Prometheus has them."""
    pairs = [("query", "cpu"), ("time", str(window.now))]
    _, content = oracle.ask("/api/v1/query", [*pairs, ("stats", "all")])
    assert content["data"]["stats"]["samples"]["totalQueryableSamples"] == 2
    status, content = oracle.ask("/api/v1/query_cost", pairs)
    assert status == 404 or content["data"]["estimate"]["seriesTouched"] == 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["metric_names", "label_names", "label_values"])
def test_every_search_sees_only_the_own_project(oracle: Oracle, name: str, method: str):
    label = [("label", "vm")] if name == "label_values" else []
    for selector in ("", *SELECTORS):
        match = [("match[]", oracle.text(selector))] if selector else []
        oracle.ask(f"/api/v1/search/{name}", [*label, *match], method)


@pytest.mark.parametrize("limit", ["1", "2", "5"])
def test_a_limit_counts_only_the_own_series(oracle: Oracle, window: Window, limit: str):
    limited = ("limit", limit)
    instant = [("query", '{__name__=~".+"}'), ("time", str(window.now))]
    oracle.ask("/api/v1/query", [*instant, limited])
    for path in ("series", "labels", "label/vm/values", "label/__name__/values", "label/project/values"):
        for selector in ('{__name__=~".+"}', '{vm=~"a1|b1"}', "secret"):
            oracle.ask(f"/api/v1/{path}", [("match[]", selector), limited])
    for name in ("metric_names", "label_names", "label_values"):
        label = [("label", "vm")] if name == "label_values" else []
        for order in ([], [("sort_by", "alpha"), ("sort_dir", "dsc")], [("sort_by", "score")]):
            found = [("search[]", "e"), ("fuzz_threshold", "10"), ("include_score", "true"), *order]
            oracle.ask(f"/api/v1/search/{name}", [*label, *found, limited])


@pytest.mark.parametrize("path", ["/api/v1/metadata", "/api/v1/rules", "/api/v1/alerts"])
def test_filtered_responses_show_only_the_own_project(
    *, gateway_for: GatewayFor, exemplar_stores: Stores, people: People, window: Window, path: str
):
    oracle = Oracle(gateway_for(exemplar_stores.ab), exemplar_stores.a, people, window)
    _, content = oracle.ask(path, [])
    if path.endswith("metadata"):
        assert set(content["data"]) == {"traced_seconds"}
    oracle.close()


def test_exemplars_are_only_of_the_own_project(
    gateway_for: GatewayFor, exemplar_stores: Stores, people: People, window: Window
):
    oracle = Oracle(gateway_for(exemplar_stores.ab), exemplar_stores.a, people, window)
    for query in ("traced_seconds_bucket", '{project="B"}', 'rate(traced_seconds_bucket{vm="b1"}[5m])'):
        for method in METHODS:
            oracle.exemplars(query, method)
    _, content = oracle.exemplars("traced_seconds_bucket")
    assert "trace-of-a1" in repr(content)
    oracle.close()


def test_the_tenants_data_is_not_empty(oracle: Oracle, people: People):
    """The oracle does not show that equal responses are not all empty."""
    _, content = oracle.instant("cpu")
    assert [series["metric"]["vm"] for series in content["data"]["result"]] == ["a1", "a2"]
    _, content = oracle.instant('count({__name__=~".+"})')
    assert int(content["data"]["result"][0]["value"][1]) > 10
    _, content = oracle.selecting("/api/v1/label/project/values")
    assert content["data"] == [people.a.project_id]
    _, lines = oracle.selecting("/federate")
    assert any(line.startswith("cpu{") for line in lines)


def test_the_unscoped_store_would_show_more(gateway: Gateway, people: People, window: Window):
    """The oracle requires that the same store returns more without a scope."""
    assert visible_vms(gateway, people.admin, window) == ALL_VMS
