"""Servers that the demo starts: ports, log files, readiness, and an end by process id.

Every server gets a session of its own, so that Ctrl-C in the terminal reaches the demo alone and it can
end them in order. Only process groups made here are ever signalled.
"""

from __future__ import annotations

import http.client
import os
import secrets
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
    "free_port",
    "private_directory",
    "wait_for",
    "write_private",
]

LOOPBACK = "127.0.0.1"
"""The only address that anything here listens on."""

_PORTS = (20000, 32767)
"""Below Linux' ephemeral range (32768 to 60999): no outgoing connection takes one of these in between."""

_RESERVED = 64
"""As many ports, the last ones, stay reserved: more than any start needs before its servers listen."""

_POLL_SECONDS = 0.05
_TAIL_LINES = 15


class DemoError(ChrysaetosError):
    """The demo cannot start or go on. The message says why and what to do."""


class Interrupted(DemoError):
    """A signal asked for the end while something was being waited for."""


_reservations: dict[int, int] = {}


def free_port(preferred: int | None = None, taken: Collection[int] = ()) -> int:
    """Return a TCP port of the loopback address that nothing listens on, and reserve it.

    No other process gets the port from this function as long as it is reserved here: until 64 more were, or
    this process ends.

    Args:
        preferred: the port to return if it is free.
        taken: ports that are promised to somebody who does not listen yet.

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
    """Claim a port among the processes that use this function; whether no other one has it.

    The claim is an abstract Unix socket (unix(7)): the kernel knows each name once, and forgets it with the
    process, however that ends.
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
    if len(_reservations) > _RESERVED:
        os.close(_reservations.pop(next(iter(_reservations))))
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        # As the servers do: a connection of an earlier run in TIME_WAIT does not occupy the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(url: str, timeout: float = 2.0) -> bool:
    """Whether a GET of an http URL is answered with 200, asked without any proxy."""
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
    """Ask until a condition holds.

    Args:
        condition: asked every 50 ms; may raise to end the wait.
        timeout: seconds until the answer is False.
        stop: once set, the wait ends.

    Returns:
        Whether the condition held in time.

    Raises:
        Interrupted: `stop` was set.
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
    """Make a directory (with its parents) that only this user may enter.

    Raises:
        DemoError: it cannot be made or used.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise DemoError(f"{path}: cannot be used as a folder: {error.strerror}") from error
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: a reader sees the old text or the new, never a part."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


class Process:
    """A child process in a session of its own, writing to a log file.

    Args:
        name: what people call it.
        command: the program, by path or found on PATH, and its arguments.
        log: the file that takes its standard output and error; an old one is overwritten.
        environment: variables to set beside those of this process.

    Raises:
        DemoError: it cannot be started.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        private_directory(log.parent)
        # Everything is on loopback: a proxy for the outside world must not come between.
        direct = {"NO_PROXY": "*", "no_proxy": "*"}
        with log.open("wb") as output:
            try:
                self._child = subprocess.Popen(
                    command,
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
        """The process id, which is its process group's as well."""
        return self._child.pid

    def status(self) -> int | None:
        """The exit status (negative: ended by that signal), or None while it runs."""
        return self._child.poll()

    def tail(self) -> str:
        """The last lines of its log, indented."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            DemoError: it has ended; the message holds the tail of its log.
        """
        status = self.status()
        if status is not None:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            raise DemoError(f"{self.name} {how}; the end of {self.log}:\n{self.tail()}")

    def stop(self, grace: float = 10.0) -> None:
        """End it and whatever it started: SIGTERM, and SIGKILL after `grace` seconds."""
        if self.status() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(grace)
        # The group outlives its leader when the leader left children behind.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()


class Server:
    """A server on the loopback address that keeps everything in one directory.

    As a context manager it is ready inside the block and ended behind it.

    Args:
        directory: its folder, made if missing; the log is `<name>.log` in it.
        port: the port to listen on; a free one when None.
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
    def log(self) -> Path:
        """The file that its output goes to."""
        return self.directory / f"{self.name.lower()}.log"

    @property
    def pid(self) -> int | None:
        """Its process id while it is started."""
        return None if self._process is None else self._process.pid

    def prepare(self) -> None:
        """Write what it needs before its start."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Program and arguments."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Variables for its process alone."""
        return {}

    def start(self) -> None:
        """Start it, without waiting until it is ready.

        Raises:
            DemoError: it cannot be started.
        """
        self.prepare()
        self._process = Process(self.name, self.command(), log=self.log, environment=self.environment())

    def wait_ready(self, stop: threading.Event | None = None) -> None:
        """Wait until it answers.

        Raises:
            DemoError: it ended, or did not answer in time.
            Interrupted: `stop` was set.
        """
        if not wait_for(self._ready, timeout=self.ready_seconds, stop=stop):
            tail = self._process.tail() if self._process else ""
            raise DemoError(
                f"{self.name} did not get ready within {self.ready_seconds:.0f} s; "
                f"the end of {self.log}:\n{tail}"
            )

    def _ready(self) -> bool:
        self.check()
        return answers(self.root_url + self.ready_path)

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            DemoError: it does not; the message holds the tail of its log.
        """
        if self._process is None:
            raise DemoError(f"{self.name} is not started")
        self._process.check()

    def stop(self) -> None:
        """End it; nothing happens when it is not started."""
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
