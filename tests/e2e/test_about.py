"""``whoami`` and ``explain`` of the gateway, with the real Keystone."""

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
    """Return a function that sends requests with a token."""
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
def test_whoami_shows_the_caller_and_what_the_policy_allows(
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


def test_whoami_for_a_caller_without_a_project(by_token, people, tokens):
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


def test_whoami_names_the_kind_of_credential_without_secrets(gateway_ab, people):
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


def test_whoami_shows_that_a_credential_has_access_rules(gateway_ab, people, tokens, identity):
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)
    rules = [{"service": "metric-storage", "method": "GET", "path": WHOAMI}]
    credential = tokens.new_credential(people.a, access_rules=rules)
    asker = Asker(gateway_ab, (credential.id, credential.secret))
    assert asker(WHOAMI).json()["data"]["access_rules"] is True
    assert asker(EXPLAIN, [("query", "cpu")]).status_code == 401
    asker.close()


def test_unknown_callers_are_rejected(gateway_ab):
    asker = Asker(gateway_ab)
    for path in (WHOAMI, EXPLAIN):
        assert (asker(path).status_code, asker(path, method="OPTIONS").status_code) == (401, 405)
    asker.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_explained_query_has_the_result_of_the_original(by_token, people, tokens, window: Window, method):
    """The explained query, sent by an admin, has the same response as the original, sent by the tenant."""
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
    """Return whether it is a success, and the data, sorted because Prometheus guarantees no order.

    Positions in errors are removed: they refer to different texts.
    """
    error = re.sub(r"\d+:\d+: parse error", "parse error", str(content.get("error")))
    return content["status"], "".join(sorted(repr(content.get("data", error))))


def test_explain_for_a_tenant_and_an_admin(by_token, people, tokens):
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
