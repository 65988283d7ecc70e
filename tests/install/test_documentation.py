"""The commands of the how-to guides for the gateway are commands of this version."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from chrysaetos.cli.main import parsers

GUIDES = Path(__file__).parents[2] / "docs" / "how-to"


def commands(page):
    """Return the words after ``gateway init`` in the blocks and the text of a page, also for the image."""
    text = (GUIDES / page).read_text().replace("\\\n", " ")
    found = re.findall(r"chrysaetos(?:-gateway)? gateway init([^`\n]*)", text)
    return [shlex.split(words) for words in found]


@pytest.mark.parametrize("page", ["install.md", "operate.md", "packages.md"])
def test_each_option_in_a_command_exists(page):
    parser = parsers()["gateway init"]
    written = commands(page)
    assert any(written)
    for words in written:
        parser.parse_args(words)


def test_each_option_in_the_table_exists():
    known = parsers()["gateway init"].format_help()
    rows = re.findall(r"(?m)^\| (`--.*?) \|", (GUIDES / "install.md").read_text())
    options = {option for row in rows for option in re.findall(r"`(--[a-z-]+)", row)}
    assert len(options) > 5
    assert [option for option in options if option not in known] == []
