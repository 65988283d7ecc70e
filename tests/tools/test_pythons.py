from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tools import pythons

if TYPE_CHECKING:
    from collections.abc import Callable

THIS = platform.python_version()


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that tests ran on; none runs."""
    versions: list[str] = []

    def run_tests(interpreter: pythons.Interpreter, tests: list[str]) -> bool:
        assert tests == ["tests/promql"]
        versions.append(interpreter.version)
        return True

    monkeypatch.setattr(pythons, "run_tests", run_tests)
    return versions


@pytest.fixture
def interpreters(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that says which versions this machine has."""

    def have(*versions: str) -> None:
        found = [pythons.Interpreter(one, Path("/usr/bin/python3"), "/usr") for one in versions]
        monkeypatch.setattr(pythons, "find_interpreters", lambda: found)

    return have


def test_another_release_of_the_same_minor_version_is_another_version(
    ran: list[str], interpreters: Callable[..., None]
) -> None:
    interpreters(f"{THIS}0", THIS, "3.99.0")
    assert pythons.main(["--others", "tests/promql"]) == 0
    assert sorted(ran) == sorted([f"{THIS}0", "3.99.0"])


def test_without_others_all_versions_are_tested(ran: list[str], interpreters: Callable[..., None]) -> None:
    interpreters(THIS, "3.99.0")
    assert pythons.main(["tests/promql"]) == 0
    assert sorted(ran) == sorted([THIS, "3.99.0"])


def test_this_interpreter_is_found_once() -> None:
    assert [one.version for one in pythons.find_interpreters()].count(THIS) == 1


def test_the_line_for_this_interpreter(tmp_path: Path) -> None:
    log = tmp_path / "tests.log"
    log.write_text("tests/a.py F\n=== 1 failed, 2 passed in 3.21s ===\n")
    command = [sys.executable, str(Path(pythons.__file__)), "--this", str(log)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.startswith(f"Python {THIS} ({sys.base_prefix}/bin/python3")
    assert printed.endswith("): 1 failed, 2 passed in 3.21s\n")
