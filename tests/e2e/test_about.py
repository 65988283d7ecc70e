"""What the gateway tells callers of themselves and of their queries, with the real Keystone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import Asker, basic
from tests.e2e.hostile import HOSTILE, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.stack import People, Window

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account

WHOAMI, EXPLAIN = "/-/whoami", "/-/explain"


@pytest.fixture(scope="module")
def by_token(gateway_ab: Gateway) -> Iterator[Callable[[str], Asker]]:
    """Who asks with a token."""
    made: list[Asker] = []

    def make(token: str) -> Asker:
        made.append(Asker(gateway_ab, headers={"X-Auth-Token": token}))
        return made[-1]

    yield make
    for asker in made:
        asker.close()


def named(people: People, who: str) -> Account:
    account: Account = getattr(people, who)
    return account


@pytest.mark.parametrize(
    ("who", "role", "query", "targets", "status", "deletes"),
    [
        ("a", "member", "project", "project", "none", "none"),
        ("b", "reader", "project", "project", "none", "none"),
        ("service", "service", "all_projects", "all_projects", "all_projects", "none"),
        ("admin", "admin", "all_projects", "all_projects", "all_projects", "all_projects"),
    ],
)
def test_a_caller_is_told_who_it_is_and_what_it_may_see(
    by_token, people, tokens, *, who, role, query, targets, status, deletes
):
    account = named(people, who)
    data = by_token(tokens.project(account))(WHOAMI).json()["data"]
    assert (data["user"]["id"], data["user"]["name"]) == (account.user_id, account.user)
    assert (data["project"]["id"], data["project"]["name"]) == (account.project_id, account.project_name)
    assert (data["scope"], data["credential"]) == ("project", "token")
    assert role in data["roles"]
    rules = data["rules"]
    assert [
        rules[f"telemetry:{name}"] for name in ("query", "targets", "status", "admin_delete_metrics")
    ] == [
        query,
        targets,
        status,
        deletes,
    ]


def test_who_has_no_project_is_told_so(by_token, people, tokens):
    for token, scope in (
        (tokens.unscoped(people.stranger), "none"),
        (tokens.system(people.auditor), "system"),
        (tokens.domain(people.auditor), "domain"),
    ):
        response = by_token(token)(WHOAMI)
        data = response.json()["data"]
        assert (response.status_code, data["scope"], data["project"]) == (200, scope, None)
        if scope != "domain":
            assert set(data["rules"].values()) == {"none"}
            assert by_token(token)(EXPLAIN, [("query", "cpu")]).status_code == 403


def test_the_credential_is_named_and_nothing_of_it_is_told(gateway_ab, people):
    account = people.a
    identifier, secret = basic(account)
    password = (f"{account.user}@Default|{account.project_name}@Default", account.password)
    for credential, kind in (((identifier, secret), "application_credential"), (password, "password")):
        asker = Asker(gateway_ab, credential)
        response = asker(WHOAMI)
        assert response.json()["data"]["credential"] == kind
        for secret_text in (identifier, *credential):
            assert secret_text not in response.text
        asker.close()


def test_an_application_credential_with_access_rules_is_told_so(gateway_ab, people, tokens, identity):
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)
    rules = [{"service": "metric-storage", "method": "GET", "path": WHOAMI}]
    credential = tokens.new_credential(people.a, access_rules=rules)
    asker = Asker(gateway_ab, (credential.id, credential.secret))
    assert asker(WHOAMI).json()["data"]["access_rules"] is True
    assert asker(EXPLAIN, [("query", "cpu")]).status_code == 401
    asker.close()


def test_who_is_not_known_is_told_nothing(gateway_ab):
    asker = Asker(gateway_ab)
    for path in (WHOAMI, EXPLAIN):
        assert (asker(path).status_code, asker(path, method="OPTIONS").status_code) == (401, 405)
    asker.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_explained_is_what_a_query_means(by_token, people, tokens, window: Window, method):
    """What would be sent, asked by an admin, is answered as the query itself is to the tenant."""
    tenant, admin = by_token(tokens.project(people.a)), by_token(tokens.project(people.admin))
    at = [("time", str(window.now)), ("timeout", "5s")]
    explained = 0
    for query in [one for one in (*HOSTILE, *REFUSED) if one.isascii() and len(one) < 5000]:
        told = tenant(EXPLAIN, [("query", query)], method=method)
        real = tenant("/api/v1/query", [("query", query), *at], method=method)
        if told.status_code != 200:
            assert (told.status_code, told.json()) == (real.status_code, real.json())
            continue
        (text,) = told.json()["data"]["texts"]
        assert text["given"] == query
        sent = admin("/api/v1/query", [("query", text["sent"]), *at], method=method)
        assert sent.status_code == real.status_code
        assert answer(sent.json()) == answer(real.json())
        explained += 1
    assert explained > 20


def answer(content: dict[str, object]) -> tuple[object, str]:
    """Whether it is a success, and the data, whose order Prometheus does not promise.

    Positions in errors are left out: each is that of its own text.
    """
    error = re.sub(r"\d+:\d+: parse error", "parse error", str(content.get("error")))
    return content["status"], "".join(sorted(repr(content.get("data", error))))


def test_a_tenant_and_an_admin_are_told_what_becomes_of_a_query(by_token, people, tokens):
    asked = [("path", "/api/v1/query_range"), ("query", "sum(cpu)")]
    data = by_token(tokens.project(people.a))(EXPLAIN, asked).json()["data"]
    project = str(people.a.project_id)
    assert (data["endpoint"], data["rule"], data["unrestricted"]) == (
        "query_range",
        "telemetry:query_range",
        False,
    )
    assert (data["label"], data["values"]) == ("project", [project])
    assert data["texts"] == [
        {"name": "query", "given": "sum(cpu)", "sent": f'sum(cpu{{project="{project}"}})'}
    ]
    data = by_token(tokens.project(people.admin))(EXPLAIN, asked).json()["data"]
    assert (data["rule"], data["unrestricted"]) == ("telemetry:query_range:all_projects", True)
    assert (data["label"], data["values"]) == (None, [])
    assert data["texts"] == [{"name": "query", "given": "sum(cpu)", "sent": "sum(cpu)"}]
    refused = by_token(tokens.project(people.a))(EXPLAIN, [("path", "/api/v1/status/config")])
    assert (refused.status_code, refused.json()["errorType"]) == (403, "forbidden")
