"""Run the commands in docs/how-to/usage.md."""

import shlex
import sys
from pathlib import Path

import pytest
from tests.support.commands import run

ROOT = Path(__file__).parents[2]


def commands():
    """Return the commands that need no cloud, with continuation lines joined."""
    text = (ROOT / "docs" / "how-to" / "usage.md").read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    chrysaetos usage --once")]


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_guide_work(command):
    program, *arguments = shlex.split(command)
    assert program == "chrysaetos"
    printed = run([sys.executable, "-m", "chrysaetos", *arguments], cwd=ROOT).out
    assert 'project_vcpu_usage{domain_id="default",domain_name="default",project_id="aa01"' in printed
    assert ('project_name="genomes"' in printed) == ("--simple-vm-id" in arguments)


def test_all_commands_are_found():
    assert len(commands()) == 2
