"""A test audit."""

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.fakes.infra_optim import FakeInfraOptim

from chrysaetos.findings import Status
from chrysaetos.migrate.audits import run_audit
from chrysaetos.migrate.errors import MigrateError


def audit(api: FakeInfraOptim, path: str = "", seconds: float = 5):
    session = Session(auth=Token(f"{api.url}{path}", "token"))
    waited: list[float] = []
    found = run_audit(session, goal="g", strategy="s", seconds=seconds, wait=waited.append)
    return found, sum(waited)


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_an_audit_is_created_once_and_never_executed(path):
    with FakeInfraOptim(["PENDING", "ONGOING", "SUCCEEDED"], plans=2) as api:
        found, waited = audit(api, path)
        assert api.created == {"audit_type": "ONESHOT", "goal": "g", "strategy": "s", "auto_trigger": False}
    assert found.status is Status.OK
    assert "succeeded, with 2 action plans" in found.found
    assert waited == 2


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_failed_audit_points_to_the_log(state):
    with FakeInfraOptim(["PENDING", state]) as api:
        found, _ = audit(api)
    assert found.status is Status.FAILED
    assert f"ended as {state}" in found.found
    assert "journalctl" in found.remedy


def test_an_audit_that_does_not_end():
    with FakeInfraOptim(["PENDING"]) as api:
        found, waited = audit(api, seconds=3)
    assert found.status is Status.FAILED
    assert "still PENDING after 3 seconds" in found.found
    assert waited == 3


def test_an_audit_that_watcher_rejects():
    with FakeInfraOptim(["PENDING"]) as api:
        api.refused = "no such goal"
        with pytest.raises(MigrateError, match="rejects POST /v1/audits"):
            audit(api)
