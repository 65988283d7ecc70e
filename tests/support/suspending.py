"""Suspend a process, so that its sockets still accept connections, but nothing responds."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.demo.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["suspended"]


@contextmanager
def suspended(pid: int | None) -> Iterator[None]:
    """Suspend a process until the context ends. A signal stops its threads one after the other."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        assert wait_for(lambda: set(_states(pid)) == {"T"}, timeout=20)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _states(pid: int) -> Iterator[str]:
    """Yield the state of each thread: proc(5), /proc/pid/stat."""
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        yield status.read_text().rpartition(")")[2].split()[0]
