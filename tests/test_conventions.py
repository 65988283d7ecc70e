"""Conventions of the code that ruff does not check."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "tools", "bench")
NOQA = re.compile(r"# noqa\b")
WITH_REASON = re.compile(r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)*  # \S")
MAXIMUM = re.compile(r"^_?(MOST|LONGEST|LARGEST|HIGHEST)_?[A-Z_]* = ")


def lines_with(pattern: re.Pattern[str], unless: re.Pattern[str] | None = None) -> Iterator[str]:
    """Yield where lines match the first pattern and not the second."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == Path(__file__):
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                if pattern.search(line) and not (unless and unless.search(line)):
                    yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_each_exception_from_a_rule_has_its_reason():
    assert not list(lines_with(NOQA, unless=WITH_REASON))


def test_maxima_are_called_max():
    assert not list(lines_with(MAXIMUM))
