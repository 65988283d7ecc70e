from __future__ import annotations

import re

import pytest
from tests.support.deep import first_of
from tools.pythons import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("value", first_of([1, 2]))
def test_only_the_first_runs_unless_all_are_asked_for(value: int, request: pytest.FixtureRequest) -> None:
    assert value == 1 or request.config.option.markexpr != "not deep"


def test_make_test_deep_runs_all_variants() -> None:
    users = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"\bfirst_of\(|mark\.deep\b", file.read_text())
    } - {"tests/support/test_deep.py"}
    recipe = MAKEFILE[MAKEFILE.index("\ntest-deep: $(VENV)") :].partition("\n\n")[0]
    folders = re.findall(r"-m '' \$\(TEST_ARGS\) (.*)", recipe)[0].split()
    assert users
    assert [file for file in users if not file.startswith(tuple(f"{folder}/" for folder in folders))] == []
