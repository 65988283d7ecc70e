"""``chrysaetos doctor`` without Keystone, or with one that fails. With real ones: tests/e2e/test_cli.py."""

import json
import time

import pytest
from tests.fakes.metrics_server import Reply, failed

from chrysaetos.demo.processes import free_port

WHOAMI, QUERY, NAMES = "/-/whoami", "/api/v1/query", "/api/v1/label/__name__/values"
HTML = {"Content-Type": "text/html"}


def now(canned, *, ahead: float = 0.0) -> None:
    sample = {"metric": {}, "value": [time.time() + ahead, "1"]}
    canned.says(QUERY, {"resultType": "vector", "result": [sample]})


@pytest.fixture
def healthy(canned):
    """A Prometheus without a gateway."""
    canned.replies[WHOAMI] = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
    now(canned)
    canned.says(NAMES, ["up", "cpu"])
    return canned


def findings(said):
    return {row["step"]: row for row in json.loads(said.printed)}


def states(said):
    return {step: row["state"] for step, row in findings(said).items()}


@pytest.mark.usefixtures("healthy")
def test_a_prometheus_that_is_well(ask):
    said = ask("doctor", "-f", "json")
    assert said.status == 0
    assert states(said) == {
        "credentials": "ok",
        "token": "skipped",
        "roles": "skipped",
        "catalog": "skipped",
        "gateway": "skipped",
        "prometheus": "ok",
        "data": "ok",
    }
    assert findings(said)["data"]["detail"] == "2 metrics in the last hour"
    assert not any(row["advice"] for row in findings(said).values())


def test_a_gateway_asked_with_basic(ask, healthy):
    healthy.says(WHOAMI, {"rules": {"telemetry:query": "project"}})
    said = ask("doctor", "--user", "id:secret", "-f", "json")
    assert said.status == 0
    assert findings(said)["gateway"]["detail"] == "you see the own project's series"


def test_a_caller_who_may_nothing(ask, healthy):
    healthy.says(WHOAMI, {"rules": {"telemetry:query": "none"}})
    said = ask("doctor", "-f", "json")
    assert said.status == 1
    assert states(said)["gateway"] == "failed"
    assert "role reader" in findings(said)["gateway"]["advice"]
    assert states(said)["prometheus"] == states(said)["data"] == "skipped"
    assert findings(said)["data"]["detail"] == "needs gateway"


@pytest.mark.parametrize(("ahead", "words"), [(100.0, "100 s ahead"), (-3600.0, "3600 s behind")])
def test_clocks_that_differ(ask, healthy, ahead, words):
    now(healthy, ahead=ahead)
    said = ask("doctor", "-f", "json")
    assert said.status == 1
    assert words in findings(said)["prometheus"]["detail"]
    assert "NTP" in findings(said)["prometheus"]["advice"]


def test_a_server_that_takes_no_query_without_a_selector(ask, healthy):
    healthy.replies[QUERY] = failed(400, "bad_data", '1:45: parse error: unexpected identifier "vector"')
    said = ask("doctor", "-f", "json")
    assert said.status == 0
    assert states(said)["prometheus"] == "skipped"
    assert states(said)["data"] == "ok"


def test_a_project_without_metrics_is_no_failure(ask, healthy):
    healthy.says(NAMES, [])
    said = ask("doctor", "-f", "json")
    assert said.status == 0
    assert "project_label_name" in findings(said)["data"]["advice"]


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (failed(401, "unauthorized", "who are you?"), "check the credentials"),
        (failed(403, "forbidden", "not you"), "role reader"),
        (Reply(200, b"<html>welcome</html>", HTML), "another server answers there"),
        (failed(500, "internal", "oops"), "ask the operator"),
    ],
)
def test_each_failure_has_its_advice(reply, advice, ask, healthy):
    healthy.replies[WHOAMI] = reply
    said = ask("doctor", "-f", "json", "--timeout", "2")
    assert said.status == 1
    finding = findings(said)["gateway"]
    assert finding["state"] == "failed"
    assert advice in finding["advice"]
    assert "\n" not in finding["detail"]


def test_nobody_is_there(run):
    said = run("doctor", "-f", "json", "--timeout", "1", "--url", f"http://127.0.0.1:{free_port()}")
    assert said.status == 1
    assert "the gateway runs" in findings(said)["gateway"]["advice"]


def test_no_credentials(run):
    said = run("doctor", "-f", "json")
    assert said.status == 1
    assert states(said)["credentials"] == "failed"
    assert "--os-cloud" in findings(said)["credentials"]["advice"]
    assert states(said)["token"] == "skipped"


def test_a_keystone_that_does_not_answer(run):
    password = ("--os-username", "a", "--os-password", "b", "--os-user-domain-id", "default")
    said = run("doctor", "-f", "json", "--os-auth-url", f"http://127.0.0.1:{free_port()}/v3", *password)
    assert said.status == 1
    assert states(said)["credentials"] == "ok"
    assert findings(said)["token"]["state"] == "failed"
    assert "auth_url" in findings(said)["token"]["advice"]
    assert said.err == ""
