"""From a caller and an endpoint to a scope."""

import dataclasses

import pytest
from tests.support.grants import FEDERATE, GUARDED, QUERY, READER, admitted
from tests.support.memory import MIB, kept_bytes, large_caller

from chrysaetos.access.grants import get_enforcer
from chrysaetos.errors import ConfigError, Forbidden
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.endpoints import Action
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

SERIES = find_path("/api/v1/series").endpoint


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("roles", [("reader",), ("member",), ("READER",), ("Reader", "other")])
async def test_a_reader_sees_its_own_project_where_series_can_be_scoped(policy, endpoint, roles):
    caller = dataclasses.replace(READER, roles=roles)
    if endpoint.action is Action.OPERATOR or endpoint.name == "delete_series":
        with pytest.raises(Forbidden, match=endpoint.rule):
            await policy.access().grant(caller, endpoint)
    else:
        assert await policy.access().grant(caller, endpoint) == Scope.of("project", "P")


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("roles", [("admin",), ("reader", "member", "admin")])
async def test_an_admin_sees_everything(policy, endpoint, roles):
    assert await policy.access().grant(dataclasses.replace(READER, roles=roles), endpoint) is UNRESTRICTED


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
async def test_a_service_sees_everything_and_changes_nothing(policy, endpoint):
    caller = dataclasses.replace(READER, roles=("service",))
    if endpoint.idempotent:
        assert await policy.access().grant(caller, endpoint) is UNRESTRICTED
    else:
        with pytest.raises(Forbidden):
            await policy.access().grant(caller, endpoint)


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("roles", [(), ("other",), ("readers",), ("",)])
async def test_other_roles_are_rejected_everywhere(policy, endpoint, roles):
    with pytest.raises(Forbidden, match=endpoint.rule):
        await policy.access().grant(dataclasses.replace(READER, roles=roles), endpoint)


@pytest.mark.parametrize("roles", [("reader",), ("member",), ("admin",), ("service",), ("admin", "reader")])
@pytest.mark.parametrize(
    "where", [{}, {"domain_id": "D"}, {"system_scope": "all"}], ids=["unscoped", "domain", "system"]
)
async def test_a_token_without_a_project_is_rejected_everywhere(policy, roles, where):
    caller = Caller(user_id="u", roles=roles, **where)
    access = policy.access()
    for endpoint in GUARDED:
        with pytest.raises(Forbidden, match="project"):
            await access.grant(caller, endpoint)


async def test_the_roles_of_a_service_token_are_not_the_users(policy):
    caller = dataclasses.replace(READER, service_roles=("admin", "service"))
    assert await policy.access().grant(caller, QUERY) == Scope.of("project", "P")


async def test_a_policy_can_admit_system_scope(policy):
    access = policy.access('"telemetry:query:all_projects": "role:reader and system_scope:all"')
    system = Caller(user_id="u", system_scope="all", roles=("reader",))
    assert await access.grant(system, QUERY) is UNRESTRICTED
    assert await access.grant(READER, QUERY) == Scope.of("project", "P")


async def test_a_rule_for_the_own_project_rejects_callers_without_one(policy):
    access = policy.access('"telemetry:query": "@"')
    with pytest.raises(Forbidden):
        await access.grant(Caller(user_id="u", roles=("reader",)), QUERY)


async def test_narrowing_the_rules_of_aetos_narrows_the_endpoints_that_aetos_does_not_have(policy):
    access = policy.access(
        """
        "telemetry:query": "role:metrics"
        "telemetry:label": "role:metrics"
        "telemetry:labels": "role:metrics"
        """
    )
    assert set(await admitted(access, READER)) == {"series"}
    metrics = dataclasses.replace(READER, roles=("metrics",))
    assert await access.grant(metrics, FEDERATE) == Scope.of("project", "P")


@pytest.mark.parametrize("name", ["status", "query:all_projects"])
async def test_narrowing_either_rule_of_aetos_narrows_what_the_operator_sees(policy, name):
    admin = dataclasses.replace(READER, roles=("admin",))
    before = set(await admitted(policy.access(), admin))
    after = set(await admitted(policy.access(f'"telemetry:{name}": "!"'), admin))
    assert {"status_config", "status_flags", "scrape_pools_config", "alertmanagers"} <= before - after


async def test_opening_the_status_of_aetos_opens_no_more_than_it_did_there(policy):
    access = policy.access('"telemetry:status": "role:reader"')
    scopes = await admitted(access, READER)
    assert [name for name, scope in scopes.items() if scope is UNRESTRICTED] == ["status_runtimeinfo"]


async def test_a_rule_of_aetos_without_a_variant_admits_to_everything(policy):
    access = policy.access(
        """
        "telemetry:targets": "role:reader"
        "telemetry:admin_delete_metrics": "role:reader"
        """
    )
    scopes = await admitted(access, READER)
    assert scopes["targets"] is UNRESTRICTED
    assert scopes["delete_series"] is UNRESTRICTED


async def test_a_tenant_may_be_allowed_to_delete_its_own_series(policy):
    access = policy.access('"telemetry:admin_delete_metrics:own_project": "role:reader"')
    assert (await admitted(access, READER))["delete_series"] == Scope.of("project", "P")
    admin = dataclasses.replace(READER, roles=("admin", "reader"))
    assert (await admitted(access, admin))["delete_series"] is UNRESTRICTED


async def test_decisions_are_cached_by_caller_and_endpoint(policy):
    access = policy.access()
    other = dataclasses.replace(READER, project_id="Q")
    admin = dataclasses.replace(READER, roles=("admin",))
    for _ in range(2):
        assert await access.grant(READER, QUERY) == Scope.of("project", "P")
        assert await access.grant(other, QUERY) == Scope.of("project", "Q")
        assert await access.grant(admin, QUERY) is UNRESTRICTED
        with pytest.raises(Forbidden):
            await access.grant(dataclasses.replace(READER, roles=()), QUERY)


async def test_the_decisions_of_each_cached_caller_are_cached_at_each_endpoint(policy, monkeypatch):
    access = policy.access()
    endpoints = [QUERY, SERIES, FEDERATE]
    callers = [dataclasses.replace(READER, project_id=f"P{number}") for number in range(100)]

    async def grant_all():
        return [await access.grant(caller, endpoint) for caller in callers for endpoint in endpoints]

    before = await grant_all()
    monkeypatch.setattr(access._enforcer, "enforce", lambda *_: pytest.fail("a policy check"))
    again = await grant_all()
    assert all(scope is first for scope, first in zip(again, before, strict=True))
    assert len({id(scope) for scope in again}) == len(callers)


async def test_the_cache_of_decisions_is_bounded(policy):
    access = policy.access()
    for number in range(300):
        await access.grant(dataclasses.replace(READER, project_id=f"P{number}"), QUERY)
    assert len(access._decisions) == 100


async def test_decisions_about_callers_with_many_roles_are_bounded_in_bytes(policy, monkeypatch):
    monkeypatch.setattr("chrysaetos.access.grants._MAX_DECISIONS_BYTES", 32 * MIB)
    access = policy.access()

    async def fill():
        for number in range(60):
            with pytest.raises(Forbidden):
                await access.grant(large_caller(number), QUERY)

    assert 28 * MIB < await kept_bytes(fill) < 34 * MIB
    caller = large_caller(59)
    monkeypatch.setattr("chrysaetos.access.grants.size_of", lambda *_: pytest.fail("measured"))
    with pytest.raises(Forbidden):
        await access.grant(caller, QUERY)


async def test_the_scopes_of_projects_are_bounded_in_bytes(policy, monkeypatch):
    monkeypatch.setattr("chrysaetos.access.grants._MAX_CACHED_BYTES", MIB)
    access = policy.access()
    scope = None

    async def fill():
        nonlocal scope
        for number in range(3000):
            scope = access.narrow(UNRESTRICTED, f"{number:032}")

    assert 0.7 * MIB < await kept_bytes(fill) < 1.1 * MIB
    assert access.narrow(UNRESTRICTED, f"{2999:032}") is scope


async def test_a_changed_policy_takes_effect(policy):
    access = policy.access()
    await access.grant(READER, QUERY)
    policy.write('"telemetry:query": "!"')
    await access.grant(READER, QUERY)  # the file is checked once a second at most
    policy.clock.now += 1.0
    with pytest.raises(Forbidden):
        await access.grant(READER, QUERY)


@pytest.mark.parametrize("text", ["{", '"telemetry:query": "rule:telemetry:query"', "- a\n- b"])
async def test_an_invalid_changed_policy_leaves_the_old_one_in_force(policy, text, caplog):
    access = policy.access('"telemetry:query": "role:metrics"')
    policy.write(text)
    policy.clock.now += 1.0
    with pytest.raises(Forbidden):
        await access.grant(READER, QUERY)
    metrics = dataclasses.replace(READER, roles=("metrics",))
    assert await access.grant(metrics, QUERY) == Scope.of("project", "P")
    assert "stays in force" in caplog.text
    policy.write('"telemetry:query": "@"')
    policy.clock.now += 1.0
    assert await access.grant(READER, QUERY) == Scope.of("project", "P")


@pytest.mark.parametrize("text", ["{", '"telemetry:query": "rule:telemetry:query"'])
def test_an_invalid_policy_fails_the_start(policy, text):
    with pytest.raises(ConfigError, match="policy_file"):
        policy.access(text)


async def test_without_a_policy_file_the_defaults_apply(policy):
    access = policy.access()
    policy.file.unlink()
    policy.clock.now += 1.0
    assert await access.grant(READER, QUERY) == Scope.of("project", "P")


def test_the_tools_of_oslo_policy_get_all_rules():
    assert "telemetry:query_range:all_projects" in get_enforcer().registered_rules


async def test_a_scope_is_narrowed_to_one_of_its_projects(policy):
    access = policy.access()
    one = access.narrow(UNRESTRICTED, "P")
    assert one == Scope.of("project", "P")
    assert access.narrow(UNRESTRICTED, "P") is one
    assert access.narrow(Scope.of("project", "O", "P"), "P") == one
    assert access.narrow(one, "P") is one
    for scope in (one, Scope.of("project", "O", "P")):
        for other in ("Q", "p", "O|P", ""):
            with pytest.raises(Forbidden):
                access.narrow(scope, other)
