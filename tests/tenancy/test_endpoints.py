"""The endpoint table."""

import pytest

from chrysaetos.errors import MethodNotAllowed, NotFound
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, Kind, find, find_path


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_row_is_found_by_its_path_and_methods(endpoint):
    path = endpoint.path.replace("{name}", "vm")
    for method in endpoint.methods:
        target = find(method, path)
        assert target.endpoint is endpoint
        assert target.path == path


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_row_is_found_by_its_path_whatever_the_method(endpoint):
    target = find_path(endpoint.path.replace("{name}", "vm"))
    assert target.endpoint is endpoint
    with pytest.raises(MethodNotAllowed):
        endpoint.check_method("PATCH")


def test_the_policy_does_not_ask_about_what_the_gateway_answers_itself():
    assert {endpoint.name for endpoint in ENDPOINTS if not endpoint.guarded} == {
        *("whoami", "explain"),
        *("version", "openapi", "healthcheck", "healthy", "ready"),
    }


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
        "/api/v1/status/nothing",
        "/api/v1/status/",
        "/api/v1/admin/tsdb/",
        "/api/v1/search/",
        "/api/v1/label//values",
        "/api/v1/label/values",
        "/api/v1/label/a/b/values",
        "/api/v1/label/../query%3Fquery=secret/values",
        "/api/v1/label/..%2fquery/values",
        "/api/v1/label/a%2Fb/values",
        "/api/v1/label/%2f/values",
        "/api/v1/label/./values",
        "/api/v1/label/../values",
        "/api/v1/label/%/values",
        "/api/v1/label/a%2/values",
        "/api/v1/label/a%zz/values",
        "/api/v1/label/%ff/values",
        "/api/v1/label/%ed%a0%80/values",
        "/api/v1/label/a?b/values",
        "/api/v1/label/a#b/values",
        "/api/v1/label/a b/values",
        "/api/v1/label/a\n/values",
        "/api/v1/label/a%2fvalues",
        "/api/v1/label%2fa/values",
        "/api/v1/label/ä/values",
        "/api/v1/label/٣/values",
        "/api/v1/label/vm/values?x",
        "/api/v1/label/vm/values//",
        f"/api/v1/label/{'a' * 1025}/values",
        f"/api/v1/label/{'%C3%A4' * 513}/values",
    ],
)
def test_what_is_not_in_the_table_is_not_found(path):
    for look_up in (lambda: find("GET", path), lambda: find_path(path)):
        with pytest.raises(NotFound):
            look_up()


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("http.status_code", "http.status_code"),
        ("http%2Estatus_code", "http.status_code"),
        ("http%2estatus%5Fcode", "http.status_code"),
        ("%61", "a"),
        ("a-b", "a-b"),
        ("1a", "1a"),
        ("...", "..."),
        ("%2e", "U___2e_"),
        ("%2e%2E", "U___2e__2e_"),
        (".%2e", "U___2e__2e_"),
        ("..a", "..a"),
        ("a+b", "a%2Bb"),
        ("a%20b", "a%20b"),
        ("na%C3%AFve", "na%C3%AFve"),
        ("%e6%97%a5%e6%9c%ac", "%E6%97%A5%E6%9C%AC"),
        ("%252e", "%252e"),
        ("%252F", "%252F"),
        ("..;", "..%3B"),
        ("%5c..%5C", "%5C..%5C"),
        ("%3Fquery=secret%26x", "%3Fquery%3Dsecret%26x"),
        ("%00%0d%0aX:%20y", "%00%0D%0AX%3A%20y"),
        ("U__http_2e_status_code", "U__http_2e_status_code"),
        ("U___2e__2e_", "U___2e__2e_"),
        ("a" * 1024, "a" * 1024),
        ("%C3%A4" * 512, "%C3%A4" * 512),
    ],
)
def test_every_name_of_a_label_is_one_segment_that_is_written_anew(segment, name):
    target = find("GET", f"/api/v1/label/{segment}/values")
    assert target.endpoint.name == "label"
    assert target.path == f"/api/v1/label/{name}/values"


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


@pytest.mark.parametrize(
    ("method", "path", "own", "everything"),
    [
        ("GET", "/api/v1/label/vm/values", "telemetry:label", "telemetry:label:all_projects"),
        ("GET", "/api/v1/query", "telemetry:query", "telemetry:query:all_projects"),
        ("GET", "/api/v1/targets", "telemetry:targets:own_project", "telemetry:targets"),
        ("GET", "/api/v1/status/runtimeinfo", None, "telemetry:status"),
        (
            "POST",
            "/api/v1/admin/tsdb/delete_series",
            "telemetry:admin_delete_metrics:own_project",
            "telemetry:admin_delete_metrics",
        ),
        ("PUT", "/api/v1/admin/tsdb/clean_tombstones", None, "telemetry:admin_clean_tombstones"),
        ("POST", "/api/v1/admin/tsdb/snapshot", None, "telemetry:admin_snapshot"),
    ],
)
def test_the_rules_of_a_row_have_the_names_that_aetos_gives_them(method, path, own, everything):
    endpoint = find(method, path).endpoint
    assert (endpoint.own_rule, endpoint.all_rule) == (own, everything)
    assert endpoint.rule == (own or everything)


def test_only_what_changes_the_store_is_not_sent_twice():
    assert {endpoint.name for endpoint in ENDPOINTS if not endpoint.idempotent} == {
        "delete_series",
        "clean_tombstones",
        "snapshot",
    }


def test_who_sees_one_project_alone_is_let_in_by_no_rule_where_answers_hold_everybodys():
    for endpoint in ENDPOINTS:
        assert (endpoint.own_rule is None) is (endpoint.action is Action.OPERATOR)


def test_without_a_selector_nothing_is_deleted():
    match = find("POST", "/api/v1/admin/tsdb/delete_series").endpoint.parameters["match[]"]
    assert match.required
    assert match.kind is Kind.SELECTOR


def test_help_texts_are_no_part_of_a_search():
    assert "include_metadata" not in find("GET", "/api/v1/search/metric_names").endpoint.parameters
