"""Find the processes that tests have started, and remove them when whoever started them has ended.

Run as a program it is the watcher of ``leftovers``: it reads lines until the pipe ends, and then acts on the
last of them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MARK", "alive", "marked"]

MARK = "TESTS_THAT_STARTED_THIS"
"""The variable that tells processes of tests from others."""


def marked(mark: str) -> Iterator[int]:
    """Return the ids of the processes with a mark."""
    entry = f"{MARK}={mark}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if entry in _environment(process).split(b"\0"):
                yield int(process.name)


def _environment(process: Path) -> bytes:
    """Return the environment of a process, also of one that has just been started.

    ``subprocess.Popen`` returns when execve(2) has closed the files, before the kernel has written the
    environment. In between, the process has memory (``vsize``, proc(5)), but no ``env_end``.
    """
    last = "0"
    while not (environment := (process / "environ").read_bytes()):
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        size, end = fields[20], fields[48]
        if size == "0" or end == last != "0":
            break
        last = end
        time.sleep(0.001)
    return environment


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def watch() -> None:
    """Wait for the end of the pipe, and remove what the last line of it says."""
    work = [json.loads(line) for line in sys.stdin][-1]
    while pids := list(marked(work["mark"])):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for directory in work["directories"]:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    watch()
