"""The scope of a domain: where a policy admits it to its projects."""

import dataclasses

import pytest
from tests.support.grants import FEDERATE, QUERY, READER, admitted

from chrysaetos.errors import Forbidden, Unavailable
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import Scope

SERIES = find_path("/api/v1/series").endpoint


class Domains:
    """The projects of each domain by its id. Counts how often they were requested."""

    def __init__(self, **domains):
        self.domains = domains
        self.asked = []

    async def of(self, domain_id):
        self.asked.append(domain_id)
        answer = self.domains[domain_id]
        if isinstance(answer, Exception):
            raise answer
        return answer


OF_DOMAIN = '"telemetry:query": "role:reader and (project_id:%(project_id)s or domain_id:%(domain_id)s)"'
DOMAIN_READER = Caller(user_id="u", domain_id="D", roles=("reader",))


async def test_a_policy_can_admit_a_domain_to_its_projects(policy):
    domains = Domains(D=("P", "Q.1"), E=("R",))
    access = policy.access(OF_DOMAIN, domains=domains)
    scope = await access.grant(DOMAIN_READER, QUERY)
    assert scope == Scope("project", ("P", "Q.1"))
    assert scope.matcher == r'project=~"P|Q\\.1"'
    assert await access.grant(DOMAIN_READER, FEDERATE) is scope
    other = dataclasses.replace(DOMAIN_READER, domain_id="E")
    assert await access.grant(other, QUERY) == Scope.of("project", "R")
    assert await access.grant(READER, QUERY) == Scope.of("project", "P")
    assert domains.asked == ["D", "D", "E"]


async def test_four_rules_admit_a_domain_wherever_projects_are_admitted(policy):
    text = [
        OF_DOMAIN,
        *(f'"telemetry:{name}": "rule:telemetry:query"' for name in ("series", "labels", "label")),
    ]
    access = policy.access("\n".join(text), domains=Domains(D=("P",)))
    of_project, of_domain = await admitted(access, READER), await admitted(access, DOMAIN_READER)
    assert of_domain == of_project
    assert {"query", "series", "labels", "label", "federate", "targets"} <= set(of_domain)
    assert set(of_domain.values()) == {Scope.of("project", "P")}


async def test_the_scope_follows_changes_of_a_domains_projects(policy):
    domains = Domains(D=("P", "Q"))
    access = policy.access(OF_DOMAIN, domains=domains)
    await access.grant(DOMAIN_READER, QUERY)
    domains.domains["D"] = ("Q",)
    assert await access.grant(DOMAIN_READER, QUERY) == Scope.of("project", "Q")


async def test_the_scope_of_a_domain_is_kept_while_its_projects_are_the_same(policy):
    domains = Domains(D=("P", "Q"))
    access = policy.access(OF_DOMAIN, domains=domains)
    scope = await access.grant(DOMAIN_READER, QUERY)
    domains.domains["D"] = (*"PQ",)  # listed again
    assert await access.grant(DOMAIN_READER, QUERY) is scope
    assert await access.grant(DOMAIN_READER, QUERY) is scope


async def test_a_domain_is_admitted_only_where_the_policy_admits_it(policy):
    domains = Domains(D=("P",))
    access = policy.access(OF_DOMAIN, domains=domains)
    assert "series" not in await admitted(access, DOMAIN_READER)
    assert "query_range" in await admitted(access, DOMAIN_READER)
    for endpoint in (QUERY, FEDERATE):
        with pytest.raises(Forbidden):
            await access.grant(dataclasses.replace(DOMAIN_READER, roles=("member",)), endpoint)
    domains.asked.clear()
    with pytest.raises(Forbidden, match="project"):
        await access.grant(DOMAIN_READER, SERIES)
    assert domains.asked == []


@pytest.mark.parametrize(
    "rule",
    ["@", "role:reader", "role:reader or domain_id:%(domain_id)s", "role:reader and not domain_id:other"],
)
async def test_a_rule_that_does_not_name_domains_rejects_them(policy, rule):
    access = policy.access(f'"telemetry:query": "{rule}"', domains=Domains(D=("P",)))
    with pytest.raises(Forbidden):
        await access.grant(DOMAIN_READER, QUERY)


async def test_a_rule_can_name_one_domain(policy):
    access = policy.access('"telemetry:query": "domain_id:D"', domains=Domains(D=("P",), E=("R",)))
    assert await access.grant(DOMAIN_READER, QUERY) == Scope.of("project", "P")
    with pytest.raises(Forbidden):
        await access.grant(dataclasses.replace(DOMAIN_READER, domain_id="E"), QUERY)


async def test_no_domain_satisfies_a_rule_for_all_projects(policy):
    text = '"telemetry:query:all_projects": "role:reader and domain_id:%(domain_id)s"'
    with pytest.raises(Forbidden):
        await policy.access(text, domains=Domains(D=("P",))).grant(DOMAIN_READER, QUERY)


@pytest.mark.parametrize("error", [Forbidden("none"), Unavailable("away")])
async def test_a_domain_whose_projects_cannot_be_listed_has_no_scope(policy, error):
    access = policy.access(OF_DOMAIN, domains=Domains(D=error))
    with pytest.raises(type(error), match=error.message):
        await access.grant(DOMAIN_READER, QUERY)


async def test_without_a_list_of_projects_no_domain_is_admitted(policy):
    with pytest.raises(Forbidden):
        await policy.access(OF_DOMAIN).grant(DOMAIN_READER, QUERY)


async def test_the_cache_of_domain_scopes_is_bounded(policy):
    access = policy.access(OF_DOMAIN, domains=Domains(**{f"D{number}": ("P",) for number in range(300)}))
    for number in range(300):
        await access.grant(dataclasses.replace(DOMAIN_READER, domain_id=f"D{number}"), QUERY)
    assert len(access._domain_scopes) == 256


async def test_the_scopes_of_domains_are_bounded_in_bytes(policy):
    projects = tuple(f"{number:032x}" for number in range(5000))
    domains = {f"D{number}": (f"{number}", *projects) for number in range(60)}
    access = policy.access(OF_DOMAIN, domains=Domains(**domains))
    for domain in domains:
        await access.grant(dataclasses.replace(DOMAIN_READER, domain_id=domain), QUERY)
    assert 31 << 20 < access._domain_scopes.weight <= 32 << 20
