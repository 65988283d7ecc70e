"""The supervisor of worker processes, with workers that only report what happens to them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.cleanup import alive

from chrysaetos.demo.processes import wait_for

ROOT = Path(__file__).parents[3]


class Supervisor:
    """The program ``tests.fakes.workers``, and the events that it has printed."""

    def __init__(self, fates, count, grace):
        self.events = []
        self.started = {}
        self._rest = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # ``close`` closes it
        self._events, theirs = socket.socketpair()
        self._events.settimeout(20)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.workers", str(count), str(grace)],
                cwd=ROOT,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._log,
                start_new_session=True,
            )
        self.decide(fates)

    def decide(self, fates):
        """Say what the next workers do, one letter each."""
        self._events.sendall(fates.encode())

    def wait(self, event, times=1):
        """Wait until an event was printed so many times."""
        while self.events.count(event) < times:
            assert self._read(), f"the program ended after {self.events}"

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Wait for the end of all processes; return the exit status."""
        while self._read():
            pass
        return self.process.wait(20)

    def log(self):
        self._log.seek(0)
        return self._log.read().decode()

    def _read(self):
        data = self._events.recv(10_000)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event, *details = line.decode().split(" ", 2)
            if event == "started":
                pid, moment = details
                self.started[int(pid)] = float(moment)
                self.events.append(event)
            else:
                self.events.append(line.decode())
        return data

    def close(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._events.close()
        self._log.close()


@contextmanager
def supervised(fates="ss", count=2, grace=20.0):
    supervisor = Supervisor(fates, count, grace)
    try:
        yield supervisor
    finally:
        supervisor.close()


# start


def test_ready_is_reported_once_after_all_workers_serve():
    with supervised("") as supervisor:
        supervisor.wait("started", 2)
        supervisor.decide("s")
        supervisor.wait("serves")
        for number in (1, 2):  # after the second one, the supervisor knows of the worker that serves
            supervisor.signal(signal.SIGHUP)
            supervisor.wait("reloaded", 2 * number)
        assert "ready" not in supervisor.events
        supervisor.decide("s")
        supervisor.wait("ready")
        supervisor.signal(signal.SIGTERM)
        assert supervisor.end() == 0
        assert supervisor.events.count("ready") == 1


@pytest.mark.parametrize(("fates", "status"), [("s3", 3), ("s0", 1), ("se", 1)])
def test_worker_that_exits_before_all_are_ready_ends_the_service(fates, status):
    with supervised(fates) as supervisor:
        assert supervisor.end() == status
        assert "ready" not in supervisor.events
        assert "stopping" in supervisor.events
        assert supervisor.events.count("started") == 2
        assert ("ValueError: broken" in supervisor.log()) == ("e" in fates)
        # The other one has shut down gracefully, if it was serving yet.
        assert supervisor.events.count("drained") == supervisor.events.count("serves")


# replacement


def test_worker_that_exits_is_replaced():
    with supervised() as supervisor:
        supervisor.wait("ready")
        first, other = supervisor.started
        supervisor.decide("s")
        os.kill(first, signal.SIGKILL)
        supervisor.wait("serves", 3)
        assert alive(other)
        supervisor.signal(signal.SIGTERM)
        assert supervisor.end() == 0
        assert supervisor.events.count("drained") == 2
        assert supervisor.events.count("ready") == 1
        assert f"worker {first} exited with status -9; starting another one" in supervisor.log()


def test_workers_that_exit_immediately_are_started_once_a_second():
    with supervised("s", count=1) as supervisor:
        supervisor.wait("ready")
        supervisor.decide("1s")
        os.kill(next(iter(supervisor.started)), signal.SIGKILL)
        supervisor.wait("serves", 2)
        first, _, third = supervisor.started.values()
        # Two seconds, less the time that the first worker needed to report its start.
        assert third - first > 1


# signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_shuts_down_gracefully_and_is_not_forwarded(number):
    with supervised() as supervisor:
        supervisor.wait("ready")
        supervisor.signal(number)
        # A worker that got SIGTERM would have exited without this event.
        supervisor.wait("drained", 2)
        assert supervisor.end() == 0
        assert supervisor.events.index("stopping") < supervisor.events.index("drained")
        assert supervisor.events[-1] == "blocked []"
        assert "aborted" not in supervisor.events
        assert supervisor.events.count("started") == 2


def test_interrupt_of_the_whole_terminal_shuts_down_gracefully():
    with supervised() as supervisor:
        supervisor.wait("ready")
        os.killpg(supervisor.process.pid, signal.SIGINT)
        supervisor.wait("drained", 2)
        assert supervisor.end() == 0


def test_second_signal_aborts_requests():
    with supervised("hh") as supervisor:
        supervisor.wait("ready")
        supervisor.signal(signal.SIGTERM)
        supervisor.wait("drained", 2)
        assert "aborted" not in supervisor.events
        supervisor.signal(signal.SIGTERM)
        supervisor.wait("aborted", 2)
        assert supervisor.end() == 0


def test_workers_that_do_not_shut_down_in_time_are_killed():
    with supervised("hh", grace=0.1) as supervisor:
        supervisor.wait("ready")
        supervisor.signal(signal.SIGTERM)
        assert supervisor.end() == 0
        assert "aborted" not in supervisor.events
        assert not any(map(alive, supervisor.started))


def test_hangup_reloads_all_workers():
    with supervised() as supervisor:
        supervisor.wait("ready")
        supervisor.signal(signal.SIGHUP)
        supervisor.wait("reloaded", 2)
        supervisor.wait("ready", 2)
        assert supervisor.events.index("reloading") < supervisor.events.index("reloaded")
        assert supervisor.events.count("started") == 2


def test_workers_shut_down_when_their_supervisor_is_killed():
    with supervised() as supervisor:
        supervisor.wait("ready")
        supervisor.process.kill()
        supervisor.wait("drained", 2)
        assert wait_for(lambda: not any(map(alive, supervisor.started)), timeout=20)
