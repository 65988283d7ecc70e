"""``chrysaetos doctor`` without Keystone, or with one that fails. See also tests/e2e/test_cli.py."""

import json
import time

import pytest
from tests.fakes.keystone import FakeKeystone
from tests.fakes.metrics_server import Reply, failed

from chrysaetos.demo.processes import free_port

WHOAMI, QUERY, NAMES = "/-/whoami", "/api/v1/query", "/api/v1/label/__name__/values"
HTML = {"Content-Type": "text/html"}


def set_clock(responses, *, ahead: float = 0.0) -> None:
    sample = {"metric": {}, "value": [time.time() + ahead, "1"]}
    responses.set(QUERY, {"resultType": "vector", "result": [sample]})


@pytest.fixture
def healthy(responses):
    """A Prometheus without a gateway."""
    responses.replies[WHOAMI] = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
    set_clock(responses)
    responses.set(NAMES, ["up", "cpu"])
    return responses


def findings(output):
    return {row["step"]: row for row in json.loads(output.printed)}


def states(output):
    return {step: row["state"] for step, row in findings(output).items()}


@pytest.mark.usefixtures("healthy")
def test_a_healthy_prometheus(run_on_server):
    output = run_on_server("doctor", "-f", "json")
    assert output.status == 0
    assert states(output) == {
        "credentials": "ok",
        "token": "skipped",
        "roles": "skipped",
        "catalog": "skipped",
        "gateway": "skipped",
        "prometheus": "ok",
        "data": "ok",
    }
    assert findings(output)["data"]["detail"] == "2 metrics in the last hour"
    assert not any(row["advice"] for row in findings(output).values())


def test_a_gateway_with_basic_authentication(run_on_server, healthy):
    healthy.set(WHOAMI, {"rules": {"telemetry:query": "project"}})
    output = run_on_server("doctor", "--user", "id:secret", "-f", "json")
    assert output.status == 0
    assert findings(output)["gateway"]["detail"] == "you can see series of your project"


def test_a_caller_without_access(run_on_server, healthy):
    healthy.set(WHOAMI, {"rules": {"telemetry:query": "none"}})
    output = run_on_server("doctor", "-f", "json")
    assert output.status == 1
    assert states(output)["gateway"] == "failed"
    assert "role reader" in findings(output)["gateway"]["advice"]
    assert states(output)["prometheus"] == states(output)["data"] == "skipped"
    assert findings(output)["data"]["detail"] == "needs gateway"


@pytest.mark.parametrize(("ahead", "message"), [(100.0, "100 s ahead"), (-3600.0, "3600 s behind")])
def test_clock_skew(run_on_server, healthy, ahead, message):
    set_clock(healthy, ahead=ahead)
    output = run_on_server("doctor", "-f", "json")
    assert output.status == 1
    assert message in findings(output)["prometheus"]["detail"]
    assert "NTP" in findings(output)["prometheus"]["advice"]


def test_a_server_that_requires_selectors(run_on_server, healthy):
    healthy.replies[QUERY] = failed(400, "bad_data", '1:45: parse error: unexpected identifier "vector"')
    output = run_on_server("doctor", "-f", "json")
    assert output.status == 0
    assert states(output)["prometheus"] == "skipped"
    assert states(output)["data"] == "ok"


def test_a_project_without_metrics_is_not_a_failure(run_on_server, healthy):
    healthy.set(NAMES, [])
    output = run_on_server("doctor", "-f", "json")
    assert output.status == 0
    assert "project_label_name" in findings(output)["data"]["advice"]


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (failed(401, "unauthorized", "unknown token"), "check the credentials"),
        (failed(403, "forbidden", "not you"), "role reader"),
        (Reply(200, b"<html>welcome</html>", HTML), "it belongs to another server"),
        (failed(500, "internal", "oops"), "ask the operator"),
        (
            failed(503, "unavailable", "Keystone does not accept the gateway's own credentials"),
            "chrysaetos gateway check",
        ),
    ],
)
def test_each_failure_has_its_advice(reply, advice, run_on_server, healthy):
    healthy.replies[WHOAMI] = reply
    output = run_on_server("doctor", "-f", "json", "--timeout", "2")
    assert output.status == 1
    finding = findings(output)["gateway"]
    assert finding["state"] == "failed"
    assert advice in finding["advice"]
    assert "\n" not in finding["detail"]


def test_connection_refused(run):
    output = run("doctor", "-f", "json", "--timeout", "1", "--url", f"http://127.0.0.1:{free_port()}")
    assert output.status == 1
    assert "the gateway is running" in findings(output)["gateway"]["advice"]


def test_no_credentials(run):
    output = run("doctor", "-f", "json")
    assert output.status == 1
    assert states(output)["credentials"] == "failed"
    assert "--os-cloud" in findings(output)["credentials"]["advice"]
    assert states(output)["token"] == "skipped"


def test_no_password_and_no_terminal(run):
    output = run("doctor", "-f", "json", "--os-auth-url", "http://127.0.0.1:1/v3", "--os-username", "a")
    assert output.status == 1
    assert "set OS_PASSWORD" in findings(output)["credentials"]["detail"]


LOGIN = {"username": "a", "password": "b", "user-domain-id": "default"}


def token_if_keystone_responds(run, status: int, path: str = "/v3") -> dict[str, str]:
    """Return the finding about the token if Keystone responds to each request with a status."""
    keystone = FakeKeystone()
    keystone.status = status
    login = (f"--os-{name}={value}" for name, value in LOGIN.items())
    try:
        output = run("doctor", "-f", "json", "--os-auth-url", f"{keystone.url}{path}", *login)
    finally:
        keystone.stop()
    finding: dict[str, str] = findings(output)["token"]
    return finding


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["", "/v3"])
@pytest.mark.parametrize("variables", [LOGIN, {}], ids=["common", "openstacksdk"])
def test_an_auth_url_that_requires_credentials(path, variables, run, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(f"OS_{name.upper().replace('-', '_')}", value)
    finding = token_if_keystone_responds(run, 401, path)
    assert finding["detail"] == "the auth URL requires credentials: it is not Keystone's URL"
    assert finding["advice"] == "check auth_url: it should be Keystone's URL, and end with /v3"


def test_keystone_does_not_understand_the_credentials(run):
    advice = token_if_keystone_responds(run, 400)["advice"]
    assert advice.startswith("check user, password, domain and project")


def test_keystone_is_down(run):
    password = ("--os-username", "a", "--os-password", "b", "--os-user-domain-id", "default")
    output = run("doctor", "-f", "json", "--os-auth-url", f"http://127.0.0.1:{free_port()}/v3", *password)
    assert output.status == 1
    assert states(output)["credentials"] == "ok"
    assert findings(output)["token"]["state"] == "failed"
    assert "auth_url" in findings(output)["token"]["advice"]
    assert output.err == ""
