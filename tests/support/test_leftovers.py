"""The plugin, in runs of pytest of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.cleanup import MARK, alive, marked
from tests.support.commands import Output, run

from chrysaetos.demo.processes import wait_for

ROOT = Path(__file__).parents[2]
SLEEPER = '[sys.executable, "-c", "import time; time.sleep(60)"]'

LEAVES_A_PROCESS = f"""
import os, subprocess, sys
def test_it(tmp_path):
    child = subprocess.Popen({SLEEPER}, env={{}}, start_new_session=True)
    child.returncode = 0
    print("PID", child.pid)
    assert True
"""
LEAVES_A_FILE = """
import tempfile
def test_it():
    tempfile.mkdtemp(prefix="forgotten")
"""
LEAVES_NOTHING = f"""
import subprocess, sys, tempfile
def test_it(tmp_path):
    (tmp_path / "file").touch()
    with subprocess.Popen({SLEEPER}) as child, tempfile.TemporaryFile():
        child.kill()
"""
IS_KILLED = f"""
import os, pathlib, subprocess, sys, tempfile, time
def test_it(tmp_path):
    child = subprocess.Popen({SLEEPER}, env={{}}, start_new_session=True)
    temporary = tempfile.mkdtemp()
    written = f"{{os.getpid()}} {{child.pid}} {{temporary}} {{tmp_path}}"
    scratch = pathlib.Path("scratch")
    scratch.write_text(written)
    scratch.rename("told")
    time.sleep(60)
"""


def command(folder: Path, content: str, *arguments: str) -> list[str | Path]:
    """Write a test, and return the command that runs it."""
    file = folder / "test_inner.py"
    file.write_text(content)
    plugins = ("-p", "tests.support.leftovers", "-p", "no:cacheprovider")
    return [sys.executable, "-m", "pytest", *plugins, "-c", os.devnull, "-s", *arguments, file]


def pytest_of(folder: Path, content: str, *arguments: str) -> Output:
    return run(command(folder, content, *arguments), env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=folder)


@pytest.fixture(params=[False, True], ids=["alone", "in a worker"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Arguments of pytest; with workers where pytest-xdist is."""
    if not request.param:
        return ()
    pytest.importorskip("xdist")
    return ("-n", "1")


def test_a_process_that_is_left_fails_the_run_and_is_named_and_ended(tmp_path, workers):
    done = pytest_of(tmp_path, LEAVES_A_PROCESS, *workers)
    assert done.status == 1, done.err
    assert "1 passed" in done.printed
    (named,) = (line for line in done.printed.splitlines() if line.startswith("process "))
    assert "time.sleep(60)" in named
    pid = int(named.split()[1].rstrip(":"))
    assert wait_for(lambda: not alive(pid), timeout=20)


def test_a_process_is_found_as_soon_as_it_is_started():
    for _ in range(50):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={}) as child:
            found = list(marked(os.environ[MARK]))
            child.kill()
        assert child.pid in found


def test_a_test_that_fails_does_not_hide_it(tmp_path):
    done = pytest_of(tmp_path, LEAVES_A_PROCESS.replace("assert True", "assert False"))
    assert done.status == 1
    assert "1 failed" in done.printed
    assert "\nprocess " in done.printed


def test_a_file_that_is_left_fails_the_run_and_is_named_and_removed(tmp_path, workers):
    done = pytest_of(tmp_path, LEAVES_A_FILE, *workers)
    assert done.status == 1, done.err
    (named,) = (line for line in done.printed.splitlines() if line.startswith("file "))
    assert "forgotten" in named
    assert not Path(named.removeprefix("file ")).exists()


def test_processes_that_end_in_time_are_not_reported(tmp_path):
    done = pytest_of(tmp_path, LEAVES_NOTHING)
    assert done.status == 0, done.printed
    assert "left behind" not in done.printed


def test_a_killed_run_leaves_nothing(tmp_path, workers):
    told = tmp_path / "told"
    with subprocess.Popen(
        command(tmp_path, IS_KILLED, *workers),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    ) as outer:
        assert wait_for(told.exists, timeout=60)
        running, child, temporary, own = told.read_text().split(" ", 3)
        assert alive(int(child))
        os.kill(int(running), signal.SIGKILL)
        assert wait_for(lambda: not alive(int(child)), timeout=20)
        assert wait_for(lambda: not Path(temporary).exists() and not Path(own).exists(), timeout=20)
        outer.kill()
