"""``chrysaetos whoami`` and ``explain``. With a real gateway and Keystone: tests/e2e/test_cli.py."""

import json

import pytest
from tests.fakes.metrics_server import Reply, failed

from chrysaetos.cli.whoami import reach

WHOAMI, EXPLAIN = "/-/whoami", "/-/explain"
ANSWER = {
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


def test_the_gateway_tells_who_asks(ask, canned):
    canned.says(WHOAMI, ANSWER)
    assert json.loads(ask("whoami", "-f", "json").out) == {
        "user": "alice",
        "user_id": "u1",
        "scope": "project",
        "project": "tenant-a",
        "project_id": "p1",
        "roles": "member, reader",
        "credential": "application_credential",
        "expires": "2026-11-21T12:00:00Z",
        "sees": "the own project's series",
        "said_by": "gateway",
    }


def test_rules_are_shown_when_asked_for(ask, canned):
    canned.says(WHOAMI, ANSWER)
    assert json.loads(ask("whoami", "--rules", "-f", "json").out)["rules"] == ANSWER["rules"]
    assert "| telemetry:targets: none " in ask("whoami", "--rules").out


def test_a_caller_without_a_project_is_shown(ask, canned):
    canned.says(WHOAMI, {**ANSWER, "scope": "none", "project": None, "expires_at": None, "rules": {}})
    shown = json.loads(ask("whoami", "-f", "json").out)
    assert (shown["project"], shown["expires"], shown["sees"]) == (None, None, "nothing")


@pytest.mark.parametrize(
    ("far", "words"),
    [
        ("all_projects", "every project's series"),
        ("domain", "the series of the domain's projects"),
        ("none", "nothing"),
        ("new", "nothing"),
    ],
)
def test_how_far_a_caller_gets_is_said_in_words(far, words):
    assert reach({"telemetry:query": far}) == words


def test_prometheus_itself_knows_nobody(ask, canned):
    canned.replies[WHOAMI] = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
    canned.replies[EXPLAIN] = canned.replies[WHOAMI]
    said = ask("whoami")
    assert said.status == 1
    assert "no Chrysaetos gateway, and Keystone was not asked" in said.err
    said = ask("explain", "up")
    assert said.status == 1
    assert "chrysaetos scope" in said.err


def test_an_explanation_shows_what_is_sent_and_why(ask, canned, server):
    canned.says(
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
    assert json.loads(ask("explain", "up", "-f", "json").out) == {
        "given": "up",
        "sent": 'up{project="p1"}',
        "rule": "telemetry:query",
        "scope": "project",
        "label": "project",
        "values": "p1",
        "why": "the rule telemetry:query lets you see series whose project is among the values",
    }
    assert server.requests[-1].parameters["query"] == "up"


def test_what_would_be_refused_is_refused(ask, canned):
    canned.replies[EXPLAIN] = failed(400, "bad_data", "1:5: unexpected end of input\nsum(\n    ^")
    said = ask("explain", "sum(")
    assert said.status == 1
    assert said.err.startswith("chrysaetos explain: ")
    assert "1:5" in said.err
    assert said.printed == ""
