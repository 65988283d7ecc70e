import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest
from tests.support.cleanup import alive
from tests.support.commands import run

from chrysaetos.demo.processes import (
    DemoError,
    Interrupted,
    Process,
    Server,
    answers,
    ending_with_this_process,
    free_port,
    private_directory,
    wait_for,
)


def test_a_preferred_port_is_used_if_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port
    assert free_port(port, taken=[port]) != port
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()
        assert free_port(port) != port


def test_a_port_is_reserved_for_one_process() -> None:
    mine = free_port()
    script = f"from chrysaetos.demo.processes import free_port; print(free_port({mine}) != {mine})"
    assert run([sys.executable, "-c", script]).out == "True\n"
    assert free_port(mine) == mine


def test_the_oldest_reservation_ends_when_there_are_many() -> None:
    for _ in range(100):
        free_port()
    first = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(100):
        free_port()
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == first


def test_wait_for_ends_with_the_condition_the_timeout_or_the_event() -> None:
    calls = itertools.count(1)
    assert wait_for(lambda: next(calls) == 3, timeout=5)
    assert next(calls) == 4
    assert not wait_for(lambda: False, timeout=0.1)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        wait_for(lambda: False, timeout=5, stop=stop)


def test_a_free_port_does_not_answer() -> None:
    assert not answers(f"http://127.0.0.1:{free_port()}/", timeout=0.5)


def test_a_private_directory_is_accessible_by_its_owner_only(tmp_path: Path) -> None:
    created = private_directory(tmp_path / "a" / "b")
    assert created.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="file"):
        private_directory(tmp_path / "file")


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


ORPHANING = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
child.returncode = 0
print(child.pid, flush=True)
"""


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    process = Process("stubborn", [sys.executable, "-c", STUBBORN], log=tmp_path / "log")
    try:
        assert wait_for(lambda: process.log.read_text().endswith("\n"), timeout=10)
        child = int(process.log.read_text())
        assert alive(child)
        process.check()
    finally:
        process.stop(grace=0.2)
    assert process.status() == -signal.SIGKILL
    assert wait_for(lambda: not alive(child), timeout=5)


def test_children_of_an_exited_process_are_stopped(tmp_path: Path) -> None:
    process = Process("leaver", [sys.executable, "-c", ORPHANING], log=tmp_path / "log")
    assert wait_for(lambda: process.status() is not None, timeout=10)
    child = int(process.log.read_text())
    assert alive(child)
    process.stop()
    assert wait_for(lambda: not alive(child), timeout=5)


def test_processes_end_with_their_parent(tmp_path: Path) -> None:
    script = (
        "import os; from pathlib import Path; from chrysaetos.demo.processes import Process; "
        f"print(Process('it', ['sleep', '60'], log=Path({str(tmp_path / 'log')!r})).pid, flush=True); "
        "os.kill(os.getpid(), 9)"
    )
    killed = run([sys.executable, "-c", script])
    assert killed.status == -signal.SIGKILL, killed.err
    assert wait_for(lambda: not alive(int(killed.printed)), timeout=10)


def test_a_process_does_not_start_if_its_parent_has_exited(tmp_path: Path) -> None:
    command = ending_with_this_process(["touch", str(tmp_path / "ran")])
    # A shell is in between, so that the parent is not this process.
    between = subprocess.run(["sh", "-c", '"$@"; exit "$?"', "sh", *command], check=False, timeout=10)
    assert between.returncode == 1
    assert not (tmp_path / "ran").exists()
    assert subprocess.run(command, check=False, timeout=10).returncode == 0
    assert (tmp_path / "ran").exists()


def test_a_signal_to_the_terminal_does_not_reach_a_process(tmp_path: Path) -> None:
    process = Process("own", [sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
    try:
        assert os.getpgid(process.pid) == process.pid
        assert os.getpgid(process.pid) != os.getpgid(0)
    finally:
        process.stop()


def test_an_exited_process_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    script = "print('first'); [print(i) for i in range(50)]; print('the reason'); raise SystemExit(3)"
    process = Process("broken", [sys.executable, "-c", script], log=tmp_path / "log")
    assert wait_for(lambda: process.status() is not None, timeout=10)
    with pytest.raises(DemoError) as error:
        process.check()
    process.stop()
    assert "broken exited with status 3" in str(error.value)
    assert "the reason" in str(error.value)
    assert "first" not in str(error.value)


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no-such-program"):
        Process("ghost", ["no-such-program"], log=tmp_path / "log")


class Sleeper(Server):
    name: ClassVar[str] = "Sleeper"
    ready_path: ClassVar[str] = "/"
    ready_seconds: ClassVar[float] = 0.3
    script: ClassVar[str] = "import time; print('still asleep', flush=True); time.sleep(60)"

    def prepare(self) -> None:
        (self.directory / "prepared").touch()

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.script]


class Listener(Sleeper):
    name: ClassVar[str] = "Listener"
    ready_seconds: ClassVar[float] = 20

    def command(self) -> list[str]:
        module = ["-m", "http.server", "--bind", "127.0.0.1", "--directory", str(self.directory)]
        return [sys.executable, *module, str(self.port)]


class Quitter(Sleeper):
    name: ClassVar[str] = "Quitter"
    ready_seconds: ClassVar[float] = 20
    script: ClassVar[str] = "raise SystemExit('cannot go on')"


def test_a_server_is_ready_inside_its_block_and_stopped_after_it(tmp_path: Path) -> None:
    with Listener(tmp_path / "it") as server:
        assert answers(server.root_url)
        assert (server.directory / "prepared").exists()
        pid = server.pid
        assert pid is not None
        assert alive(pid)
    assert not alive(pid)
    assert not answers(server.root_url)
    with pytest.raises(DemoError, match="not started"):
        server.check()


def test_a_server_that_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    server = Sleeper(tmp_path / "it")
    with pytest.raises(DemoError, match="was not ready") as error, server:
        pytest.fail("it never answers")
    assert server.pid is None
    assert str(server.log) in str(error.value)


def test_waiting_ends_when_a_server_exits(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DemoError, match="cannot go on"), Quitter(tmp_path / "it"):
        pytest.fail("it has quit")
    assert time.monotonic() - begun < 10
