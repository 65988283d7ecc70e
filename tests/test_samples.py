"""The samples in ``etc/`` are generated, and current."""

import sys
from pathlib import Path

import pytest
from tests.support.commands import run

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("generator", "sample"),
    [
        ("oslo-config-generator", "aetos.conf.sample"),
        ("oslopolicy-sample-generator", "policy.yaml.sample"),
    ],
)
def test_the_samples_are_current(generator, sample, tmp_path):
    program = Path(sys.executable).with_name(generator)
    file = tmp_path / sample
    assert run([program, "--namespace", "chrysaetos", "--output-file", file]).out == ""
    assert file.read_text() == (ROOT / "etc" / sample).read_text(), "run: make samples"


def test_the_tools_of_oslo_policy_find_the_enforcer(tmp_path):
    program = Path(sys.executable).with_name("oslopolicy-list-redundant")
    policy = tmp_path / "policy.yaml"
    policy.write_text('"telemetry:query": "(role:reader or role:member) and project_id:%(project_id)s"\n')
    config = tmp_path / "aetos.conf"
    config.write_text(f"[oslo_policy]\npolicy_file = {policy}\n")
    assert "telemetry:query" in run([program, "--namespace", "chrysaetos", "--config-file", config]).out
