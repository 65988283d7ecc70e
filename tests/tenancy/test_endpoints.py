"""The endpoint table."""

import pytest

from chrysaetos.errors import MethodNotAllowed, NotFound
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, Kind, find


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_row_is_found_by_its_path_and_methods(endpoint):
    path = endpoint.path.replace("{name}", "vm")
    for method in endpoint.methods:
        target = find(method, path)
        assert target.endpoint is endpoint
        assert target.path == path


def test_names_and_paths_are_unique():
    assert len({endpoint.name for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    assert len({endpoint.path for endpoint in ENDPOINTS}) == len(ENDPOINTS)


def test_every_parameter_that_holds_promql_is_scoped():
    for endpoint in ENDPOINTS:
        if endpoint.action is Action.SCOPE:
            kinds = {name: parameter.kind for name, parameter in endpoint.parameters.items()}
            assert kinds.get("query", Kind.QUERY) is Kind.QUERY
            assert kinds.get("match[]", Kind.SELECTOR) is Kind.SELECTOR
            assert "query" in kinds or "match[]" in kinds


@pytest.mark.parametrize(
    "path",
    [
        "",
        "api/v1/query",
        "//api/v1/query",
        "/api/v1/query//",
        "/api/v1/../v1/query",
        "/api/v1/./query",
        "/api/v1/%71uery",
        "/api/v1/query%2f",
        "/api/v1/query%00",
        "/api/v1/query;x",
        "/api/v1/query\n",
        "/API/v1/query",
        "/api/v1/Query",
        "/api/v2/query",
        "/api/v1",
        "/api/v1/",
        "/federate/",
        "/metrics",
        "/api/v1/write",
        "/api/v1/otlp/v1/metrics",
        "/-/reload",
        "/-/quit",
        "/debug/pprof/",
        "/graph",
        "/api/v1/status/config",
        "/api/v1/label//values",
        "/api/v1/label/values",
        "/api/v1/label/a/b/values",
        "/api/v1/label/../query%3Fquery=secret/values",
        "/api/v1/label/..%2fquery/values",
        "/api/v1/label/%61/values",
        "/api/v1/label/a-b/values",
        "/api/v1/label/1a/values",
        "/api/v1/label/ä/values",
        "/api/v1/label/٣/values",
        "/api/v1/label/vm/values?x",
        "/api/v1/label/vm/values//",
        f"/api/v1/label/{'a' * 2000}/values",
    ],
)
def test_what_is_not_in_the_table_is_not_found(path):
    with pytest.raises(NotFound):
        find("GET", path)


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/api/v1/query/", "/api/v1/query"),
        ("/api/v1/label/vm/values/", "/api/v1/label/vm/values"),
        ("/api/v1/label/U__service_2e_name/values", "/api/v1/label/U__service_2e_name/values"),
        ("/api/v1/label/__name__/values", "/api/v1/label/__name__/values"),
    ],
)
def test_one_slash_at_the_end_makes_no_difference(path, upstream):
    assert find("GET", path).path == upstream


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "get", ""])
def test_a_method_that_the_row_does_not_have_is_refused_with_those_that_it_has(method):
    with pytest.raises(MethodNotAllowed) as caught:
        find(method, "/api/v1/query")
    assert caught.value.headers() == [(b"allow", b"GET, POST")]


def test_the_values_of_a_label_are_not_posted():
    with pytest.raises(MethodNotAllowed):
        find("POST", "/api/v1/label/vm/values")


def test_the_rule_of_a_row_has_the_name_that_aetos_gives_it():
    assert find("GET", "/api/v1/label/vm/values").endpoint.rule == "telemetry:label"
    assert find("GET", "/api/v1/query").endpoint.rule == "telemetry:query"
