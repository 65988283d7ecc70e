"""From a caller and an endpoint to a scope."""

import contextlib
import dataclasses
import os
import textwrap

import pytest
from oslo_config import cfg

from chrysaetos.access.grants import PolicyAccess, get_enforcer
from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action, find
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

QUERY = find("GET", "/api/v1/query").endpoint
SERIES = find("GET", "/api/v1/series").endpoint
FEDERATE = find("GET", "/federate").endpoint
GUARDED = [endpoint for endpoint in ENDPOINTS if endpoint.action is not Action.OWN]

READER = Caller(user_id="u", project_id="P", roles=("reader",))


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def policy(tmp_path):
    """An access with a policy file of its own: call it with the file's text, again to change it."""

    class Policy:
        def __init__(self):
            self.file = tmp_path / "policy.yaml"
            self.clock = Clock()
            (tmp_path / "aetos.conf").write_text(f"[oslo_policy]\npolicy_file = {self.file}\n")
            self.conf = cfg.ConfigOpts()
            self.conf(["--config-file", str(tmp_path / "aetos.conf")])

        def write(self, text):
            self.file.write_text(textwrap.dedent(text))
            os.utime(self.file, ns=(int(self.clock.now), int(self.clock.now) + self.file.stat().st_mtime_ns))

        def access(self, text="{}"):
            self.write(text)
            return PolicyAccess(self.conf, "project", clock=self.clock, size=100)

    return Policy()


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("roles", [("reader",), ("member",), ("READER",), ("Reader", "other")])
def test_who_reads_sees_the_own_project_where_that_can_be_told_apart(policy, endpoint, roles):
    caller = dataclasses.replace(READER, roles=roles)
    if endpoint.action is Action.OPERATOR or endpoint.name == "delete_series":
        with pytest.raises(Forbidden, match=endpoint.rule):
            policy.access().grant(caller, endpoint)
    else:
        assert policy.access().grant(caller, endpoint) == Scope.of("project", "P")


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("roles", [("admin",), ("reader", "member", "admin")])
def test_an_admin_sees_everything(policy, endpoint, roles):
    assert policy.access().grant(dataclasses.replace(READER, roles=roles), endpoint) is UNRESTRICTED


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
def test_a_service_sees_everything_and_changes_nothing(policy, endpoint):
    caller = dataclasses.replace(READER, roles=("service",))
    if endpoint.idempotent:
        assert policy.access().grant(caller, endpoint) is UNRESTRICTED
    else:
        with pytest.raises(Forbidden):
            policy.access().grant(caller, endpoint)


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("roles", [(), ("other",), ("readers",), ("",)])
def test_other_roles_are_let_in_nowhere(policy, endpoint, roles):
    with pytest.raises(Forbidden, match=endpoint.rule):
        policy.access().grant(dataclasses.replace(READER, roles=roles), endpoint)


@pytest.mark.parametrize("roles", [("reader",), ("member",), ("admin",), ("service",), ("admin", "reader")])
@pytest.mark.parametrize(
    "where", [{}, {"domain_id": "D"}, {"system_scope": "all"}], ids=["unscoped", "domain", "system"]
)
def test_a_token_without_a_project_is_let_in_nowhere(policy, roles, where):
    caller = Caller(user_id="u", roles=roles, **where)
    access = policy.access()
    for endpoint in GUARDED:
        with pytest.raises(Forbidden, match="project"):
            access.grant(caller, endpoint)


def test_the_roles_of_a_service_token_are_not_the_users(policy):
    caller = dataclasses.replace(READER, service_roles=("admin", "service"))
    assert policy.access().grant(caller, QUERY) == Scope.of("project", "P")


def test_a_policy_can_let_the_system_in(policy):
    access = policy.access('"telemetry:query:all_projects": "role:reader and system_scope:all"')
    system = Caller(user_id="u", system_scope="all", roles=("reader",))
    assert access.grant(system, QUERY) is UNRESTRICTED
    assert access.grant(READER, QUERY) == Scope.of("project", "P")


def test_a_rule_for_the_own_project_gives_nothing_to_who_has_none(policy):
    access = policy.access('"telemetry:query": "@"')
    with pytest.raises(Forbidden):
        access.grant(Caller(user_id="u", roles=("reader",)), QUERY)


def names_let_in(access, caller):
    """Endpoint → scope, of those that let a caller in."""
    scopes = {}
    for endpoint in GUARDED:
        with contextlib.suppress(Forbidden):
            scopes[endpoint.name] = access.grant(caller, endpoint)
    return scopes


def test_narrowing_the_rules_of_aetos_narrows_the_endpoints_that_aetos_does_not_have(policy):
    access = policy.access(
        """
        "telemetry:query": "role:metrics"
        "telemetry:label": "role:metrics"
        "telemetry:labels": "role:metrics"
        """
    )
    assert set(names_let_in(access, READER)) == {"series"}
    metrics = dataclasses.replace(READER, roles=("metrics",))
    assert access.grant(metrics, FEDERATE) == Scope.of("project", "P")


@pytest.mark.parametrize("name", ["status", "query:all_projects"])
def test_narrowing_either_rule_of_aetos_narrows_what_the_operator_sees(policy, name):
    admin = dataclasses.replace(READER, roles=("admin",))
    before = set(names_let_in(policy.access(), admin))
    after = set(names_let_in(policy.access(f'"telemetry:{name}": "!"'), admin))
    assert {"status_config", "status_flags", "scrape_pools_config", "alertmanagers"} <= before - after


def test_opening_the_status_of_aetos_opens_no_more_than_it_did_there(policy):
    access = policy.access('"telemetry:status": "role:reader"')
    scopes = names_let_in(access, READER)
    assert [name for name, scope in scopes.items() if scope is UNRESTRICTED] == ["status_runtimeinfo"]


def test_who_holds_a_rule_of_aetos_without_a_variant_sees_everything(policy):
    access = policy.access(
        """
        "telemetry:targets": "role:reader"
        "telemetry:admin_delete_metrics": "role:reader"
        """
    )
    scopes = names_let_in(access, READER)
    assert scopes["targets"] is UNRESTRICTED
    assert scopes["delete_series"] is UNRESTRICTED


def test_a_tenant_may_be_allowed_to_delete_its_own_series(policy):
    access = policy.access('"telemetry:admin_delete_metrics:own_project": "role:reader"')
    assert names_let_in(access, READER)["delete_series"] == Scope.of("project", "P")
    admin = dataclasses.replace(READER, roles=("admin", "reader"))
    assert names_let_in(access, admin)["delete_series"] is UNRESTRICTED


def test_decisions_are_kept_for_each_caller_and_endpoint(policy):
    access = policy.access()
    other = dataclasses.replace(READER, project_id="Q")
    admin = dataclasses.replace(READER, roles=("admin",))
    for _ in range(2):
        assert access.grant(READER, QUERY) == Scope.of("project", "P")
        assert access.grant(other, QUERY) == Scope.of("project", "Q")
        assert access.grant(admin, QUERY) is UNRESTRICTED
        with pytest.raises(Forbidden):
            access.grant(dataclasses.replace(READER, roles=()), QUERY)


def test_no_more_decisions_are_kept_than_told(policy):
    access = policy.access()
    for number in range(300):
        access.grant(dataclasses.replace(READER, project_id=f"P{number}"), QUERY)
    assert len(access._decisions) == 100


def test_a_changed_policy_comes_into_force(policy):
    access = policy.access()
    access.grant(READER, QUERY)
    policy.write('"telemetry:query": "!"')
    access.grant(READER, QUERY)  # it is not looked at more than once a second
    policy.clock.now = 1.0
    with pytest.raises(Forbidden):
        access.grant(READER, QUERY)


@pytest.mark.parametrize("text", ["{", '"telemetry:query": "rule:telemetry:query"', "- a\n- b"])
def test_a_changed_policy_that_cannot_be_used_leaves_the_old_one_in_force(policy, text, caplog):
    access = policy.access('"telemetry:query": "role:metrics"')
    policy.write(text)
    policy.clock.now = 5.0
    with pytest.raises(Forbidden):
        access.grant(READER, QUERY)
    metrics = dataclasses.replace(READER, roles=("metrics",))
    assert access.grant(metrics, QUERY) == Scope.of("project", "P")
    assert "stays in force" in caplog.text
    policy.write('"telemetry:query": "@"')
    policy.clock.now = 10.0
    assert access.grant(READER, QUERY) == Scope.of("project", "P")


@pytest.mark.parametrize("text", ["{", '"telemetry:query": "rule:telemetry:query"'])
def test_a_policy_that_cannot_be_used_ends_the_start(policy, text):
    with pytest.raises(ConfigError, match="policy_file"):
        policy.access(text)


def test_a_policy_file_that_is_not_there_means_the_defaults(policy):
    access = policy.access()
    policy.file.unlink()
    policy.clock.now = 2.0
    assert access.grant(READER, QUERY) == Scope.of("project", "P")


def test_the_tools_of_oslo_policy_get_all_rules():
    assert "telemetry:query_range:all_projects" in get_enforcer().registered_rules
