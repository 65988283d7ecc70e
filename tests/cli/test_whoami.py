"""``chrysaetos whoami`` and ``explain``. Other tests are in tests/e2e/test_cli.py."""

import json

import pytest
from tests.fakes.metrics_server import Reply, failed

from chrysaetos.cli.whoami import describe_access

WHOAMI, EXPLAIN = "/-/whoami", "/-/explain"
RESPONSE = {
    "user": {"id": "u1", "name": "alice", "domain_id": "default"},
    "scope": "project",
    "project": {"id": "p1", "name": "tenant-a", "domain_id": "default"},
    "domain_id": None,
    "roles": ["member", "reader"],
    "service_roles": [],
    "credential": "application_credential",
    "access_rules": False,
    "expires_at": 1795262400.5,
    "rules": {"telemetry:query": "project", "telemetry:targets": "none"},
}


def test_the_gateway_returns_the_caller(run_on_server, responses):
    responses.set(WHOAMI, RESPONSE)
    assert json.loads(run_on_server("whoami", "-f", "json").out) == {
        "user": "alice",
        "user_id": "u1",
        "scope": "project",
        "project": "tenant-a",
        "project_id": "p1",
        "roles": "member, reader",
        "credential": "application_credential",
        "expires": "2026-11-21T12:00:00Z",
        "sees": "series of your project",
        "source": "gateway",
    }


def test_rules_are_shown_on_request(run_on_server, responses):
    responses.set(WHOAMI, RESPONSE)
    assert json.loads(run_on_server("whoami", "--rules", "-f", "json").out)["rules"] == RESPONSE["rules"]
    assert "| telemetry:targets: none " in run_on_server("whoami", "--rules").out


def test_a_caller_without_a_project_is_shown(run_on_server, responses):
    responses.set(WHOAMI, {**RESPONSE, "scope": "none", "project": None, "expires_at": None, "rules": {}})
    shown = json.loads(run_on_server("whoami", "-f", "json").out)
    assert (shown["project"], shown["expires"], shown["sees"]) == (None, None, "nothing")


@pytest.mark.parametrize(
    ("access", "description"),
    [
        ("all_projects", "series of all projects"),
        ("domain", "series of the domain's projects"),
        ("none", "nothing"),
        ("new", "nothing"),
    ],
)
def test_access_is_described(access, description):
    assert describe_access({"telemetry:query": access}) == description


def test_prometheus_itself_has_no_callers(run_on_server, responses):
    responses.replies[WHOAMI] = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
    responses.replies[EXPLAIN] = responses.replies[WHOAMI]
    output = run_on_server("whoami")
    assert output.status == 1
    assert "not a Chrysaetos gateway, and Keystone is not used" in output.err
    output = run_on_server("explain", "up")
    assert output.status == 1
    assert "chrysaetos scope" in output.err


def test_explain_shows_the_scoped_query_and_the_reason(run_on_server, responses, server):
    responses.set(
        EXPLAIN,
        {
            "endpoint": "query",
            "action": "scope",
            "rule": "telemetry:query",
            "unrestricted": False,
            "label": "project",
            "values": ["p1"],
            "texts": [{"name": "query", "given": "up", "sent": 'up{project="p1"}'}],
        },
    )
    assert json.loads(run_on_server("explain", "up", "-f", "json").out) == {
        "given": "up",
        "sent": 'up{project="p1"}',
        "rule": "telemetry:query",
        "scope": "project",
        "label": "project",
        "values": "p1",
        "why": "the rule telemetry:query grants access to series whose project is in values",
    }
    assert server.requests[-1].parameters["query"] == "up"


def test_explain_rejects_an_invalid_query(run_on_server, responses):
    responses.replies[EXPLAIN] = failed(400, "bad_data", "1:5: unexpected end of input\nsum(\n    ^")
    output = run_on_server("explain", "sum(")
    assert output.status == 1
    assert output.err.startswith("chrysaetos explain: ")
    assert "1:5" in output.err
    assert output.printed == ""


def test_explain_shows_no_control_characters_in_a_table(run_on_server, responses):
    sent = 'up{a="\x1b[31m",project="p1"}'
    texts = [{"name": "query", "given": 'up{a="\x1b[31m"}', "sent": sent}]
    scope = {"rule": "telemetry:query", "unrestricted": False, "label": "project", "values": ["p1"]}
    responses.set(EXPLAIN, {**scope, "texts": texts})
    assert r'up{a="\x1b[31m",project="p1"}' in run_on_server("explain", 'up{a="\x1b[31m"}').out
    assert json.loads(run_on_server("explain", "up", "-f", "json").out)["sent"] == sent
