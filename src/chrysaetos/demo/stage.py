"""What every demo does: start servers one after the other, say so, stay, and end them in order."""

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

__all__ = ["Stage", "say"]


def say(text: str) -> None:
    """Tell people, beside what goes to standard output."""
    print(text, file=sys.stderr, flush=True)


class Stage:
    """The servers of a demo.

    Args:
        stack: takes whatever is started, and ends it.
        stop: once set, everything ends.
    """

    def __init__(self, stack: ExitStack, stop: threading.Event) -> None:
        self.stack = stack
        self.stop = stop
        self._begun = time.monotonic()
        self._servers: list[Server] = []

    def step(self, text: str) -> None:
        """Say what is done.

        Raises:
            Interrupted: `stop` was set.
        """
        if self.stop.is_set():
            raise Interrupted("interrupted")
        say(f"[{time.monotonic() - self._begun:5.1f} s] {text}")

    def begin(self, server: Server) -> None:
        """Start a server, without waiting until it is ready.

        Raises:
            DemoError: it cannot be started.
        """
        self.stack.callback(server.stop)
        server.start()
        self._servers.append(server)

    def stay(self, seconds: float | None) -> None:
        """Wait for the end: the event, so many seconds, or a server that ends.

        Raises:
            DemoError: a server has ended.
        """
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while time.monotonic() < deadline:
            for server in self._servers:
                server.check()
            if self.stop.wait(min(0.5, max(0.0, deadline - time.monotonic()))):
                break
