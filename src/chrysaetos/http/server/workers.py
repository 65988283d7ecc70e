"""Worker processes that serve on the same sockets, and the supervisor that starts them.

The supervisor serves no requests. It forwards signals and replaces workers that have exited. Each worker
holds the read end of a pipe that nothing is ever written to. When the supervisor closes the write end, or
exits, the workers shut down gracefully. The first SIGTERM or SIGINT is forwarded in this way and not as a
signal: a terminal or a service manager may send its own to the workers as well, and a second signal means
"stop at once".
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from chrysaetos.http.server.runner import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[Callable[[], None], int], int]

__all__ = ["Workers"]

_LOG = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_POLL_SECONDS = 0.05
_RESTART_SECONDS = 1.0
"""Time between two starts, so that a worker that exits immediately causes little load."""


class Workers:
    """Runs a number of workers until a signal stops them.

    Args:
        count: the number of workers.
        work: the function that a worker runs. Its arguments are a function to call once the worker serves,
            and the read end of the pipe. It returns the worker's exit status.
        grace: seconds that workers have to shut down before they are killed.
        ready: called once all workers serve.
        reloading: called when SIGHUP is forwarded.
        stopping: called when the shutdown begins.
    """

    def __init__(
        self,
        count: int,
        work: Work,
        *,
        grace: float,
        ready: Callable[[], None],
        reloading: Callable[[], None],
        stopping: Callable[[], None],
    ) -> None:
        self._count = count
        self._work = work
        self._grace = grace
        self._ready = ready
        self._reloading = reloading
        self._stopping = stopping
        # By pid: the pipe on which the worker reports that it serves, -1 once it has.
        self._running: dict[int, int] = {}
        self._started = 0.0
        self._announced = False
        self._kill_at: float | None = None
        self._status = 0
        self._lifeline = os.pipe()

    def run(self) -> int:
        """Start the workers and supervise them until they have stopped.

        Returns:
            0, or the exit status of a worker that exited before all workers were ready.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            while self._kill_at is None or self._running:
                self._start_missing()
                self._read_ready()
                self._handle()
                self._reap()
                if self._kill_at is not None and time.monotonic() > self._kill_at:
                    self._signal(signal.SIGKILL)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._status

    def _start_missing(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None or len(self._running) == self._count:
            return
        if not self._announced or now - self._started >= _RESTART_SECONDS:
            self._started = now
            while len(self._running) < self._count:
                self._start()

    def _start(self) -> None:
        pipe, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(pipe)
                os.close(self._lifeline[1])
                for other in self._running.values():
                    if other >= 0:
                        os.close(other)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                status = self._work(lambda: _report_ready(report), self._lifeline[0])
            except Exception:  # noqa: BLE001  # the process exits after this
                _LOG.exception("a worker failed")
            finally:
                # Exit without running the supervisor's own cleanup in the worker.
                logging.shutdown()
                os._exit(status)
        os.close(report)
        self._running[pid] = pipe

    def _read_ready(self) -> None:
        """Record which workers serve; call ``ready`` once all do."""
        pipes = {pipe: pid for pid, pipe in self._running.items() if pipe >= 0}
        for pipe in select.select(list(pipes), [], [], 0)[0]:
            if os.read(pipe, 1):
                os.close(pipe)
                self._running[pipes[pipe]] = -1
        if not self._announced and len(self._running) == self._count and set(self._running.values()) == {-1}:
            self._announced = True
            self._ready()

    def _handle(self) -> None:
        # No signal announces that a worker is ready, or that it is time to start a worker again.
        all_ready = self._announced and len(self._running) == self._count
        received = signal.sigtimedwait(_SIGNALS, 1.0 if all_ready else _POLL_SECONDS)
        if received is None:
            return
        if received.si_signo == signal.SIGHUP:
            self._reloading()
            self._signal(signal.SIGHUP)
            if self._announced:
                self._ready()
        elif received.si_signo != signal.SIGCHLD:
            self._stop()

    def _stop(self) -> None:
        if self._kill_at is None:
            self._stopping()
            self._kill_at = time.monotonic() + self._grace
            os.close(self._lifeline[1])
        else:
            self._signal(AT_ONCE)

    def _reap(self) -> None:
        for pid in tuple(self._running):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._on_exit(pid, os.waitstatus_to_exitcode(status))

    def _on_exit(self, pid: int, status: int) -> None:
        pipe = self._running.pop(pid)
        if pipe >= 0:
            os.close(pipe)
        if self._kill_at is not None:
            return
        if self._announced:
            _LOG.error("worker %d exited with status %d; starting another one", pid, status)
        else:
            self._status = status or 1
            self._stop()

    def _signal(self, number: int) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _report_ready(descriptor: int) -> None:
    os.write(descriptor, b"1")
    os.close(descriptor)
