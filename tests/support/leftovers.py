"""A plugin of pytest: nothing that the tests start or write outlives them.

Each process that runs tests (pytest, and each worker of pytest-xdist) puts a mark into the environment of
all that it starts, and gives it a directory for temporary files. What is left of both at the end fails the
run, is named, and is removed. When a process that runs tests is killed, the watcher that it started notices
the end of their pipe, and removes the same and the directory of ``tmp_path``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from tests.support import cleanup
from tests.support.cleanup import MARK, marked

_GRACE_SECONDS = 5.0
"""Time for a process to end after a signal."""


def command_of(pid: int) -> str:
    """Return the command line of a process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(ended)"


def mark_children(mark: str) -> None:
    """Mark what is started from now on, also with an environment of its own."""
    os.environ[MARK] = mark
    original = subprocess.Popen.__init__

    def init(self: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        if options.get("env") is not None:
            options["env"] = {**options["env"], MARK: mark}
        original(self, *arguments, **options)

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]


class Leftovers:
    """The plugin.

    Args:
        config: pytest's, of this process.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mark = uuid.uuid4().hex
        # Where pytest makes the directories of tmp_path, which it keeps for a while when tests fail.
        root = os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        self._directory = Path(tempfile.mkdtemp(prefix="tests-", dir=root))
        self._found: list[str] = []
        self._watcher = subprocess.Popen(
            [sys.executable, "-I", cleanup.__file__],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != MARK},
        )
        self._tell(mark=self._mark, directories=[str(self._directory)])
        mark_children(self._mark)
        os.environ["TMPDIR"] = tempfile.tempdir = str(self._directory)

    def pytest_sessionstart(self) -> None:
        """Let the watcher know the directory of ``tmp_path``."""
        base = self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self._tell(mark=self._mark, directories=[str(self._directory), str(base)])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of pytest-xdist found."""
        self._found += getattr(node, "workeroutput", {}).get("leftovers", [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for what is left when all fixtures have ended."""
        end = time.monotonic() + _GRACE_SECONDS
        while (pids := list(marked(self._mark))) and time.monotonic() < end:
            time.sleep(0.05)
        self._found += [f"process {pid}: {command_of(pid)}" for pid in pids]
        self._found += [f"file {path}" for path in self._directory.rglob("*")]
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["leftovers"] = self._found
        elif self._found and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what was left."""
        if self._found:
            terminalreporter.section("left behind by the tests", red=True)
            for line in self._found:
                terminalreporter.line(line)

    def pytest_unconfigure(self) -> None:
        """Let the watcher remove what is left, and end."""
        self._tell(mark=self._mark, directories=[str(self._directory)])
        self._watcher.communicate()

    def _tell(self, **work: Any) -> None:
        assert self._watcher.stdin is not None
        self._watcher.stdin.write(f"{json.dumps(work)}\n")
        self._watcher.stdin.flush()


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, once."""
    if not config.pluginmanager.has_plugin("leftovers"):
        config.pluginmanager.register(Leftovers(config), "leftovers")
