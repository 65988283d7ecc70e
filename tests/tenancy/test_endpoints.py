"""The endpoint table."""

import pytest

from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, Kind
from chrysaetos.tenancy.paths import find_path


def test_the_gateways_own_endpoints_have_no_rules():
    assert {endpoint.name for endpoint in ENDPOINTS if not endpoint.guarded} == {
        *("whoami", "explain"),
        *("version", "openapi", "healthcheck", "healthy", "ready"),
        *(endpoint.name for endpoint in ENDPOINTS if endpoint.action is Action.WEB),
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
    endpoint = find_path(path).endpoint
    endpoint.check_method(method)
    assert (endpoint.own_rule, endpoint.all_rule) == (own, everything)
    assert endpoint.rule == (own or everything)


def test_only_changes_of_the_store_are_not_idempotent():
    assert {endpoint.name for endpoint in ENDPOINTS if not endpoint.idempotent} == {
        "delete_series",
        "clean_tombstones",
        "snapshot",
    }


def test_no_rule_admits_a_scoped_caller_where_responses_contain_every_projects_data():
    for endpoint in ENDPOINTS:
        assert (endpoint.own_rule is None) is (endpoint.action is Action.OPERATOR)


def test_without_a_selector_nothing_is_deleted():
    match = find_path("/api/v1/admin/tsdb/delete_series").endpoint.parameters["match[]"]
    assert match.required
    assert match.kind is Kind.SELECTOR


def test_a_search_does_not_return_help_texts():
    assert "include_metadata" not in find_path("/api/v1/search/metric_names").endpoint.parameters
