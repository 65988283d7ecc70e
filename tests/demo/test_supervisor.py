from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar

import pytest

from chrysaetos.demo.processes import DemoError, Interrupted, Server
from chrysaetos.demo.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path


class Sleeper(Server):
    name: ClassVar[str] = "Sleeper"
    ready_path: ClassVar[str] = "/"
    script = "import time; time.sleep(60)"

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.script]


class Exiting(Sleeper):
    script = "raise SystemExit(3)"


def test_servers_stop_with_the_stack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = Sleeper(tmp_path)
    with ExitStack() as stack:
        supervisor = Supervisor(stack, threading.Event())
        supervisor.start(server)
        supervisor.progress("begun")
        pid = server.pid
        supervisor.wait(0)
    assert pid is not None
    assert server.pid is None
    assert capsys.readouterr().err.endswith("s] begun\n")


def test_a_server_that_exits_is_reported(tmp_path: Path) -> None:
    with ExitStack() as stack:
        supervisor = Supervisor(stack, threading.Event())
        supervisor.start(Exiting(tmp_path))
        with pytest.raises(DemoError, match="Sleeper exited with status 3"):
            supervisor.wait(30)


def test_the_event_ends_the_wait_and_the_next_step() -> None:
    with ExitStack() as stack:
        stop = threading.Event()
        supervisor = Supervisor(stack, stop)
        stop.set()
        begin = time.monotonic()
        supervisor.wait(None)
        assert time.monotonic() - begin < 10
        with pytest.raises(Interrupted):
            supervisor.progress("too late")
