"""The policy rules."""

from oslo_policy import _checks as checks
from oslo_policy import _parser as parser

from chrysaetos.access.policies import list_rules
from chrysaetos.tenancy.endpoints import ENDPOINTS

AETOS = {"query", "label", "labels", "series"}
AETOS_FOR_ALL = {"targets", "status", "admin_delete_metrics", "admin_snapshot", "admin_clean_tombstones"}


def test_each_endpoint_of_the_upstream_has_rules_and_each_rule_an_endpoint():
    expected = {
        rule
        for endpoint in ENDPOINTS
        if endpoint.guarded
        for rule in (endpoint.own_rule, endpoint.all_rule)
        if rule is not None
    }
    names = [rule.name for rule in list_rules()]
    assert set(names) == expected
    assert len(names) == len(expected)


def test_the_operations_of_a_rule_are_those_of_its_endpoint():
    operations = {
        rule.name: {(operation["path"], operation["method"]) for operation in rule.operations}
        for rule in list_rules()
    }
    for endpoint in ENDPOINTS:
        if endpoint.guarded:
            expected = {(endpoint.path, method) for method in endpoint.methods}
            assert operations[endpoint.all_rule] == expected
            if endpoint.own_rule is not None:
                assert operations[endpoint.own_rule] == expected


def test_the_rules_that_aetos_has_have_its_names():
    names = {rule.name for rule in list_rules()}
    assert {f"telemetry:{name}{suffix}" for name in AETOS for suffix in ("", ":all_projects")} <= names
    assert {f"telemetry:{name}" for name in AETOS_FOR_ALL} <= names


def test_every_check_is_valid():
    for rule in list_rules():
        # oslo.policy turns an invalid check into one that rejects everybody.
        assert isinstance(parser.parse_rule(rule.check_str), checks.FalseCheck) is (rule.check_str == "!")


def test_every_operation_is_one_of_the_endpoint_table():
    table = {(endpoint.path, method) for endpoint in ENDPOINTS for method in endpoint.methods}
    for rule in list_rules():
        for operation in rule.operations:
            assert (operation["path"], operation["method"]) in table
