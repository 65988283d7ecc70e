"""A program with workers that do little. It prints what happens, one event a line.

Run it as ``python -m tests.fakes.workers COUNT GRACE``. Each worker reads one byte from standard input, which
says what it does: ``s`` serves, ``h`` serves but hangs when it should shut down, ``e`` raises an error, and a
digit is its exit status.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from chrysaetos.http.server.runner import AT_ONCE
from chrysaetos.http.server.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable


def tell(event: str) -> None:
    os.write(1, f"{event}\n".encode())


def work(ready: Callable[[], None], lifeline: int) -> int:
    """Run a worker."""

    def abort(*_: object) -> None:
        tell("aborted")
        os._exit(0)

    signal.signal(signal.SIGHUP, lambda *_: tell("reloaded"))
    signal.signal(AT_ONCE, abort)
    tell(f"started {os.getpid()} {time.monotonic()}")
    fate = os.read(0, 1)
    if fate == b"e":
        raise ValueError("broken")
    if fate.isdigit():
        return int(fate)
    ready()
    tell("serves")
    os.read(lifeline, 1)
    tell("drained")
    while fate == b"h":
        signal.pause()
    return 0


def main(count: str, grace: str) -> int:
    """Run the supervisor."""
    workers = Workers(
        int(count),
        work,
        grace=float(grace),
        ready=lambda: tell("ready"),
        reloading=lambda: tell("reloading"),
        stopping=lambda: tell("stopping"),
    )
    status = workers.run()
    tell(f"blocked {sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))}")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
