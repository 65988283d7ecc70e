"""The commands of docs/how-to/usage.md, run as they stand there."""

import shlex
import sys
from pathlib import Path

import pytest
from tests.support.commands import run

ROOT = Path(__file__).parents[2]


def commands():
    """The lines of code that need no cloud, continued lines joined."""
    text = (ROOT / "docs" / "how-to" / "usage.md").read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    chrysaetos usage --once")]


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_guide(command):
    program, *arguments = shlex.split(command)
    assert program == "chrysaetos"
    printed = run([sys.executable, "-m", "chrysaetos", *arguments], cwd=ROOT).out
    assert 'project_vcpu_usage{domain_id="default",domain_name="default",project_id="aa01"' in printed
    assert ('project_name="genomes"' in printed) == ("--simple-vm-id" in arguments)


def test_there_are_commands():
    assert len(commands()) == 2
