"""Start the servers of a demo in order, report progress, watch the servers, and stop them."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING

from chrysaetos.demo.processes import Interrupted

if TYPE_CHECKING:
    import threading
    from contextlib import ExitStack

    from chrysaetos.demo.processes import Server

__all__ = ["Supervisor", "report"]


def report(text: str) -> None:
    """Print a message to standard error."""
    print(text, file=sys.stderr, flush=True)


class Supervisor:
    """Starts the servers of a demo, watches them, and stops them.

    Args:
        stack: stops the servers at its end.
        stop: an event that stops the demo.
    """

    def __init__(self, stack: ExitStack, stop: threading.Event) -> None:
        self.stack = stack
        self.stop = stop
        self._begun = time.monotonic()
        self._servers: list[Server] = []

    def progress(self, text: str) -> None:
        """Report progress.

        Raises:
            Interrupted: ``stop`` was set.
        """
        if self.stop.is_set():
            raise Interrupted("interrupted")
        report(f"[{time.monotonic() - self._begun:5.1f} s] {text}")

    def start(self, server: Server) -> None:
        """Start a server without waiting until it is ready.

        Raises:
            DemoError: the server cannot be started.
        """
        self.stack.callback(server.stop)
        server.start()
        self._servers.append(server)

    def wait(self, seconds: float | None) -> None:
        """Wait for the event or a number of seconds.

        Args:
            seconds: how long to wait; None for no limit.

        Raises:
            DemoError: a server has exited.
        """
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while time.monotonic() < deadline:
            for server in self._servers:
                server.check()
            if self.stop.wait(min(0.5, max(0.0, deadline - time.monotonic()))):
                break
