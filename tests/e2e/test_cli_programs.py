"""The programs ``chrysaetos`` and ``openstack`` as real processes."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import openstack_client
from tests.e2e.shell import MACHINES_OF_A, STEPS, apart, by, states_of

from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from tests.e2e.stack import Stores


__all__ = ["apart", "by"]

PROGRAMS = Path(sys.executable).parent


def test_openstack_lists_the_commands_of_both_plugins():
    output = openstack_client({}, "metric", "--help")
    assert (output.status, output.err) == (0, "")
    commands = {line.strip().removeprefix("metric ") for line in output.out.splitlines()[1:]}
    assert {"list", "show", "query", "delete", "clean-tombstones", "snapshot"} <= commands
    assert {"instant", "range", "series", "labels", "values", "metadata", "targets"} <= commands
    assert {"rules", "alerts", "explain", "whoami", "doctor"} <= commands


def test_openstack_runs_the_commands_of_both_plugins(by):
    variables = by.password("a")
    ours = openstack_client(variables, "metric", "instant", "cpu", "--time", "-5m", "-f", "json")
    assert {row["vm"] for row in ours.json} == MACHINES_OF_A
    assert ours.err == ""
    theirs = openstack_client(variables, "metric", "query", "cpu", "-f", "json")
    assert {row["vm"] for row in theirs.json} == MACHINES_OF_A


def test_openstack_accepts_relative_times_and_draws_plots(by):
    arguments = ("range", "cpu", "--start", "-1h", "--end", "now-5m", "--plot", "--ascii")
    output = openstack_client(by.application_credential("a"), "metric", *arguments)
    assert (output.status, output.err) == (0, "")
    assert [vm for vm in ("a1", "a2", "b1") if f'vm="{vm}"' in output.out] == ["a1", "a2"]


def test_openstack_runs_whoami_and_doctor(by):
    variables = by.password("admin")
    shown = openstack_client(variables, "metric", "whoami", "-f", "json").json
    assert (shown["user"], shown["sees"]) == ("admin", "series of all projects")
    well = openstack_client(variables, "metric", "doctor", "-f", "json")
    assert (well.status, states_of(well)) == (0, dict.fromkeys(STEPS, "ok"))
    ill = openstack_client(variables | {"OS_PASSWORD": "wrong"}, "metric", "doctor", "-f", "json")
    assert ill.status == 1
    assert states_of(ill)["token"] == "failed"
    assert ill.err == ""


def test_openstack_shows_an_invalid_query(by):
    output = openstack_client(by.password("a"), "metric", "instant", "sum(")
    assert output.status == 1
    assert "1:5: unexpected end of input" in output.err
    assert "Traceback" not in output.err


@pytest.fixture
def interruptible():
    """Let child processes receive SIGINT, even if the process that started the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_watch_with_130(stores: Stores, tmp_path):
    output = tmp_path / "out"
    command = [str(PROGRAMS / "chrysaetos"), "query", "count(cpu)", "--url", stores.ab.url]
    with output.open("wb") as file:
        process = subprocess.Popen([*command, "--watch", "1", "-f", "value"], stdout=file, stderr=file)
    try:
        assert wait_for(lambda: output.read_text().count("5\n") >= 2, timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
    assert set(output.read_text().split()) == {"5"}


def test_a_terminal_shows_colours_and_progress_in_its_size(stores: Stores, window):
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (30, 70))
    span = ("--start", str(window.start), "--end", str(window.now), "--step", "500ms", "--split")
    command = [str(PROGRAMS / "chrysaetos"), "range", "cpu", "--url", stores.ab.url, *span, "--plot"]
    kept = {name: value for name, value in os.environ.items() if name not in {"LINES", "COLUMNS", "NO_COLOR"}}
    process = subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, env={**kept, "TERM": "xterm"}, start_new_session=True
    )
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while data := os.read(terminal, 65536):
            shown += data
    os.close(terminal)
    assert process.wait(30) == 0
    progress, plot = shown.decode().split("cpu\r\n", maxsplit=1)
    assert "1 of 2 requests" in progress
    assert progress.endswith("\r\x1b[K")
    lines = [re.sub(r"\x1b\[\d+m", "", line) for line in plot.splitlines()]
    assert max(map(len, lines)) == 70
    assert len(lines) + 1 <= 30
    assert all(f"\x1b[{colour}m⣿" in plot for colour in (36, 33, 35, 32, 34))
