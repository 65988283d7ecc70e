"""Several serving processes on the same sockets, and the one that watches them.

The watcher serves nothing. It passes signals on, and starts a worker again that has died. Workers hold the
end of a pipe that nothing is ever written to; when the watcher closes the other end, or is no more, they end
in order. The first signal to end is passed on like this and not as a signal: a terminal and a service manager
may send theirs to the workers as well, and two would mean that nothing is to be waited for.
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

_log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_POLL_SECONDS = 0.05
_AGAIN_SECONDS = 1.0
"""Between two starts of a worker, so that one which dies at once is no load."""


class Workers:
    """Runs a number of workers until a signal ends them.

    Args:
        count: how many.
        work: what a worker does: with a function to call once it serves, and the descriptor of the pipe. It
            returns the worker's exit status.
        grace: seconds that workers have for their end before they are killed.
        ready: called once all of them serve.
        reloading: called when SIGHUP is passed on.
        stopping: called when the end begins.
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
        self._running: dict[int, int] = {}  # descriptor for its word that it serves, -1 once it does, by pid
        self._started = 0.0
        self._announced = False
        self._kill_at: float | None = None
        self._status = 0
        self._lifeline = os.pipe()

    def run(self) -> int:
        """Start them and stay.

        Returns:
            0; or the status of a worker that ended before all served for the first time.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            while self._kill_at is None or self._running:
                self._fill()
                self._listen()
                self._handle()
                self._reap()
                if self._kill_at is not None and time.monotonic() > self._kill_at:
                    self._signal(signal.SIGKILL)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._status

    def _fill(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None or len(self._running) == self._count:
            return
        if not self._announced or now - self._started >= _AGAIN_SECONDS:
            self._started = now
            while len(self._running) < self._count:
                self._start()

    def _start(self) -> None:
        word, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(word)
                os.close(self._lifeline[1])
                for other in self._running.values():
                    if other >= 0:
                        os.close(other)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
                status = self._work(lambda: _say(say), self._lifeline[0])
            except Exception:  # noqa: BLE001 - behind this is nothing but the end of the process
                _log.exception("a worker failed")
            finally:
                # Nothing of the watcher's own may run a second time in here.
                logging.shutdown()
                os._exit(status)
        os.close(say)
        self._running[pid] = word

    def _listen(self) -> None:
        """Notes who serves."""
        words = {word: pid for pid, word in self._running.items() if word >= 0}
        for word in select.select(list(words), [], [], 0)[0]:
            if os.read(word, 1):
                os.close(word)
                self._running[words[word]] = -1
        if not self._announced and len(self._running) == self._count and set(self._running.values()) == {-1}:
            self._announced = True
            self._ready()

    def _handle(self) -> None:
        # A worker's word comes without a signal, and so does the time to start one again.
        quiet = self._announced and len(self._running) == self._count
        came = signal.sigtimedwait(_SIGNALS, 1.0 if quiet else _POLL_SECONDS)
        if came is None:
            return
        if came.si_signo == signal.SIGHUP:
            self._reloading()
            self._signal(signal.SIGHUP)
            self._ready()
        elif came.si_signo != signal.SIGCHLD:
            self._end()

    def _end(self) -> None:
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
                self._buried(pid, os.waitstatus_to_exitcode(status))

    def _buried(self, pid: int, status: int) -> None:
        word = self._running.pop(pid)
        if word >= 0:
            os.close(word)
        if self._kill_at is not None:
            return
        if self._announced:
            _log.error("worker %d ended with status %d: another takes its place", pid, status)
        else:
            self._status = status or 1
            self._end()

    def _signal(self, number: int) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _say(descriptor: int) -> None:
    os.write(descriptor, b"1")
    os.close(descriptor)
