"""The policy rules."""

from oslo_policy import _checks as checks
from oslo_policy import _parser as parser

from chrysaetos.access.policies import list_rules
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action

AETOS = {"query", "label", "labels", "series"}


def test_each_endpoint_of_the_upstream_has_both_rules_and_no_rule_is_without_one():
    expected = {
        f"{endpoint.rule}{suffix}"
        for endpoint in ENDPOINTS
        if endpoint.action is not Action.OWN
        for suffix in ("", ":all_projects")
    }
    assert {rule.name for rule in list_rules()} == expected


def test_the_rules_that_aetos_has_have_its_names():
    names = {rule.name for rule in list_rules()}
    assert {f"telemetry:{name}{suffix}" for name in AETOS for suffix in ("", ":all_projects")} <= names


def test_every_check_is_understood():
    for rule in list_rules():
        assert not isinstance(parser.parse_rule(rule.check_str), checks.FalseCheck)


def test_every_operation_is_one_of_the_endpoint_table():
    table = {(endpoint.path, method) for endpoint in ENDPOINTS for method in endpoint.methods}
    for rule in list_rules():
        for operation in rule.operations:
            assert (operation["path"], operation["method"]) in table
