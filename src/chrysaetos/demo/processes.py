"""Servers that the demo starts: ports, log files, readiness, and how they are stopped.

Every server runs in its own session, so Ctrl-C in the terminal reaches only the demo, which stops them in
order. If the demo is killed, the kernel sends them SIGTERM. The demo signals only process groups that it
created.
"""

from __future__ import annotations

import errno
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import urlsplit

from chrysaetos.errors import ChrysaetosError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = [
    "LOOPBACK",
    "DemoError",
    "Interrupted",
    "Process",
    "Server",
    "answers",
    "ending_with_this_process",
    "find_program",
    "free_port",
    "private_directory",
    "wait_for",
]

LOOPBACK = "127.0.0.1"
"""The only address that servers of the demo listen on."""

_PORTS = (20000, 32767)
"""Below Linux' ephemeral range (32768 to 60999), so that no outgoing connection uses one of these ports."""

_MAX_RESERVATIONS = 64
"""How many ports stay reserved: more than any start needs before its servers listen."""

_POLL_SECONDS = 0.05
_TAIL_LINES = 15


class DemoError(ChrysaetosError):
    """The demo cannot start or continue. The message says why and how to fix it."""


class Interrupted(DemoError):
    """A signal stopped the demo while it was waiting."""


_reservations: dict[int, int] = {}


def free_port(preferred: int | None = None, taken: Collection[int] = ()) -> int:
    """Reserve and return a free TCP port of the loopback address.

    No other process gets the same port from this function until this process has reserved 64 more ports or
    exits.

    Args:
        preferred: the port to return if it is free.
        taken: ports already assigned to servers that do not listen yet.

    Raises:
        DemoError: no free port was found.
    """
    first, last = _PORTS
    if preferred is not None and preferred not in taken and _is_free(preferred) and _reserve(preferred):
        return preferred
    for _ in range(200):
        port = first + secrets.randbelow(last - first + 1)
        if port not in taken and port not in _reservations and _is_free(port) and _reserve(port):
            return port
    raise DemoError(f"no free port between {first} and {last} on {LOOPBACK}")


def _reserve(port: int) -> bool:
    """Reserve a port among the processes that use this function. Return whether it was available.

    A reservation is an abstract Unix socket (unix(7)): its name is unique, and the kernel removes it when the
    process exits.
    """
    if port in _reservations:
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0chrysaetos-port-{port}")
    except OSError:
        claim.close()
        return False
    _reservations[port] = claim.detach()
    if len(_reservations) > _MAX_RESERVATIONS:
        os.close(_reservations.pop(next(iter(_reservations))))
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # As the servers do, ignore connections of an earlier run that are in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(url: str, timeout: float = 2.0) -> bool:
    """Return whether a GET of an http URL, without any proxy, returns 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_for(condition: Callable[[], bool], *, timeout: float, stop: threading.Event | None = None) -> bool:
    """Wait until a condition holds.

    Args:
        condition: called every 50 ms; it may raise an exception to end the wait.
        timeout: maximum number of seconds to wait.
        stop: an event that ends the wait.

    Returns:
        Whether the condition held in time.

    Raises:
        Interrupted: ``stop`` was set.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        if stop is None:
            time.sleep(_POLL_SECONDS)
        elif stop.wait(_POLL_SECONDS):
            raise Interrupted("interrupted")
    return True


def private_directory(path: Path) -> Path:
    """Create a directory (with its parents) that only this user can access.

    Raises:
        DemoError: the directory cannot be created or used.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise DemoError(f"{path}: cannot be used as a directory: {error.strerror}") from error
    return path


def find_program(program: str, advice: str) -> str:
    """Return the path of a program.

    Args:
        program: its name.
        advice: how to install it, for the error.

    Raises:
        DemoError: the program is not installed.
    """
    # Debian's haproxy is in /usr/sbin, which is not on every user's PATH.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if path is None:
        raise DemoError(f"{program} is not on PATH; {advice}")
    return path


def ending_with_this_process(command: Sequence[str]) -> list[str]:
    """Return a command that runs another one and ends when this process is killed.

    If the parent exits before prctl(2) is called, the signal never arrives, so the shell then checks its
    parent's id. Without ``setpriv`` (util-linux), the command is returned unchanged, and killing the demo
    leaves its servers running.
    """
    if shutil.which("setpriv") is None:
        return list(command)
    only_with_its_parent = ["sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid())]
    return ["setpriv", "--pdeathsig", "TERM", "--", *only_with_its_parent, *command]


class Process:
    """A child process in its own session that writes to a log file.

    Args:
        name: the name in messages.
        command: the program, as a path or a name on PATH, and its arguments.
        log: the file for standard output and error; an existing file is overwritten.
        environment: variables to add to those of this process.

    Raises:
        DemoError: the process cannot be started.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        private_directory(log.parent)
        if shutil.which(command[0]) is None:
            raise DemoError(f"{name} cannot be started: {command[0]}: {os.strerror(errno.ENOENT)}")
        # All servers listen on loopback, so no proxy may be used.
        direct = {"NO_PROXY": "*", "no_proxy": "*"}
        with log.open("wb") as output:
            try:
                self._child = subprocess.Popen(
                    ending_with_this_process(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **direct, **(environment or {})},
                    start_new_session=True,
                )
            except OSError as error:
                raise DemoError(f"{name} cannot be started: {command[0]}: {error.strerror}") from error

    @property
    def pid(self) -> int:
        """The process id, which is also the id of the process group."""
        return self._child.pid

    def status(self) -> int | None:
        """Return the exit status (negative: killed by that signal), None while the process runs."""
        return self._child.poll()

    def tail(self) -> str:
        """Return the last lines of the log, indented."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])

    def check(self) -> None:
        """Check that the process is still running.

        Raises:
            DemoError: the process has exited; the message contains the last lines of its log.
        """
        status = self.status()
        if status is not None:
            cause = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
            raise DemoError(f"{self.name} {cause}; the end of {self.log}:\n{self.tail()}")

    def stop(self, grace: float = 10.0) -> None:
        """Stop the process and its children: SIGTERM, and SIGKILL after ``grace`` seconds."""
        if self.status() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(grace)
        # The process may have exited before its children.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()


class Server:
    """A server on the loopback address that keeps all its files in one directory.

    As a context manager, it starts, waits until it is ready, and stops at the end of the block.

    Args:
        directory: its directory, created if missing, with the log ``<name>.log``.
        port: the port to listen on; a free port if None.
    """

    name: ClassVar[str]
    ready_path: ClassVar[str]
    ready_seconds: ClassVar[float] = 60.0

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        self.directory = private_directory(Path(directory).absolute())
        self.port = free_port() if port is None else port
        self._process: Process | None = None

    @property
    def root_url(self) -> str:
        """Scheme, host and port."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of the API."""
        return self.root_url

    @property
    def log(self) -> Path:
        """The log file."""
        return self.directory / f"{self.name.lower()}.log"

    @property
    def pid(self) -> int | None:
        """The process id; None if the server is not started."""
        return None if self._process is None else self._process.pid

    def prepare(self) -> None:
        """Write the files that the server needs. Do nothing if it needs none."""

    def command(self) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return variables to add to the server's environment."""
        return {}

    def start(self) -> None:
        """Start the server without waiting until it is ready.

        Raises:
            DemoError: the server cannot be started.
        """
        self.prepare()
        self._process = Process(self.name, self.command(), log=self.log, environment=self.environment())

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Wait until the server is ready.

        Raises:
            DemoError: the server exited, or was not ready in time.
            Interrupted: ``stop`` was set.
        """
        if not wait_for(self._ready, timeout=self.ready_seconds, stop=stop):
            tail = self._process.tail() if self._process else ""
            raise DemoError(
                f"{self.name} was not ready within {self.ready_seconds:.0f} s; the end of {self.log}:\n{tail}"
            )

    def _ready(self) -> bool:
        self.check()
        return answers(self.root_url + self.ready_path)

    def check(self) -> None:
        """Check that the server is still running.

        Raises:
            DemoError: the server is not running; the message contains the last lines of its log.
        """
        if self._process is None:
            raise DemoError(f"{self.name} is not started")
        self._process.check()

    def stop(self) -> None:
        """Stop the server. Do nothing if it is not started."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
