"""From a caller and an endpoint to a scope."""

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
@pytest.mark.parametrize(
    ("roles", "scope"),
    [
        (("reader",), Scope.of("project", "P")),
        (("member",), Scope.of("project", "P")),
        (("READER",), Scope.of("project", "P")),
        (("Reader", "other"), Scope.of("project", "P")),
        (("admin",), UNRESTRICTED),
        (("service",), UNRESTRICTED),
        (("reader", "member", "admin"), UNRESTRICTED),
    ],
)
def test_the_default_policy_by_role(policy, endpoint, roles, scope):
    caller = dataclasses.replace(READER, roles=roles)
    assert policy.access().grant(caller, endpoint) == scope


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


def test_narrowing_the_rule_of_aetos_narrows_the_endpoints_that_aetos_does_not_have(policy):
    access = policy.access('"telemetry:query": "role:metrics"')
    for name in ("query", "query_range", "query_exemplars", "federate"):
        endpoint = next(endpoint for endpoint in GUARDED if endpoint.name == name)
        with pytest.raises(Forbidden):
            access.grant(READER, endpoint)
    assert access.grant(READER, SERIES) == Scope.of("project", "P")
    metrics = dataclasses.replace(READER, roles=("metrics",))
    assert access.grant(metrics, FEDERATE) == Scope.of("project", "P")


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
