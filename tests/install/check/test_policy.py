"""The checks of the policy files. ``e2e.test_gateway_check`` has those of access."""

from __future__ import annotations

from chrysaetos.findings import Status
from chrysaetos.install.check.policy import check_policy


def test_a_policy_directory_that_is_not_there_is_a_warning(make_setup, tmp_path):
    rules = tmp_path / "policy.d"
    findings, _ = check_policy(make_setup(f"[oslo_policy]\npolicy_dirs = {rules}\n"))
    (finding,) = [each for each in findings if each.status is not Status.OK]
    assert (finding.status, finding.check) == (Status.WARNING, "policy")
    assert f"there is no directory {rules}" in finding.found
    rules.mkdir()
    for text in (f"[oslo_policy]\npolicy_dirs = {rules}\n", ""):
        findings, _ = check_policy(make_setup(text))
        assert {each.status for each in findings} == {Status.OK}
