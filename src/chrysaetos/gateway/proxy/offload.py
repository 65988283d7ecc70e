"""Run functions that take long in another process, so that requests of other tenants need not wait.

A thread would not do: it takes the interpreter's lock each time that the event loop waits for a socket, and
JSON is parsed without ever releasing it.

The process is started when it is first needed. It reads jobs from its standard input and writes results to
its standard output, each as 8 bytes of length and a pickle, and ends when its input does: so it also ends
when the gateway is killed. One job runs at a time; the projects that wait take turns.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from chrysaetos.errors import Unavailable
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from chrysaetos.gateway.proxy.cpu_budget import CpuBudget

__all__ = ["Offload"]

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

_LENGTH = 8
"""Bytes of the number before each message."""
_JOB_SECONDS = 30.0
"""Time for a job. The longest allowed response takes some seconds."""
_KILL_SECONDS = 5.0
"""Time for a killed process to end. One that hangs in the kernel must not hold up the next."""
_NICENESS = 10
"""How much the process gives way to the gateway and Prometheus, if they have work for all processors."""
_CHUNK = 1024 * 1024
"""Bytes of a result that are buffered before the process waits."""
_IN_PLACE_USED = 0.02
"""The part of its budget that a project may have used for its short jobs to run in the event loop."""
# Each project has a few slots, and its budget is checked again before each job: the wait has an end.
_IN_TURN = LimitOptions(
    max_requests=1,
    max_requests_per_project=0,
    max_waiting=sys.maxsize,
    max_waiting_per_project=sys.maxsize,
    wait_seconds=3600.0,
)


class _Result(NamedTuple):
    """The outcome of a job.

    Attributes:
        value: what the function returned, None if it raised an exception.
        error: the exception.
        seconds: the CPU time.
    """

    value: object
    error: Exception | None
    seconds: float


class Offload:
    """Runs functions in another process.

    Args:
        budget: the CPU time that projects may use.
        timeout: seconds after which a job is given up and the process is killed.

    Attributes:
        budget: see above.
        jobs: jobs that were run.
        seconds: their CPU time.
    """

    def __init__(self, budget: CpuBudget, *, timeout: float = _JOB_SECONDS) -> None:
        self.budget = budget
        self._timeout = timeout
        self._turns = Limits(_IN_TURN)
        self._process: asyncio.subprocess.Process | None = None
        self._running: set[asyncio.Task[_Result]] = set()
        self.jobs = 0
        self.seconds = 0.0

    async def run(
        self, project: str, function: Callable[..., T], *arguments: object, in_place: bool = False
    ) -> T:
        """Run a function of a module with arguments that can be pickled.

        A job that has begun is finished even if the caller is cancelled.

        Args:
            project: the key from ``account``; its budget is charged.
            function: the function.
            arguments: its arguments.
            in_place: whether it takes at most some milliseconds. Then it is run at once in this process,
                unless the project has used a part of its budget.

        Returns:
            Its result.

        Raises:
            TooManyRequests: the project has used its budget.
            Unavailable: the process ended or took too long.
            Exception: any exception of the function.
        """
        if in_place and self.budget.used(project) <= _IN_PLACE_USED:
            began = time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.budget.charge(project, time.thread_time() - began)
        await self._turns.acquire(project)
        try:
            self.budget.check(project)
            job = asyncio.get_running_loop().create_task(self._exchange(function, arguments))
        except BaseException:
            self._turns.release(project)
            raise
        self._running.add(job)
        job.add_done_callback(partial(self._finish, project, time.monotonic()))
        result = await asyncio.shield(job)
        if result.error is not None:
            raise result.error
        return result.value  # type: ignore[return-value] # the function returned it

    def _finish(self, project: str, began: float, job: asyncio.Task[_Result]) -> None:
        """Charge a job to its project; one without a result has kept the process busy all the time."""
        self._running.discard(job)
        if job.cancelled() or job.exception() is not None:
            seconds = time.monotonic() - began
        else:
            seconds = job.result().seconds
        self.jobs += 1
        self.seconds += seconds
        self.budget.charge(project, seconds)
        self._turns.release(project)

    async def _exchange(self, function: Callable[..., object], arguments: tuple[object, ...]) -> _Result:
        """Send a job and return its result."""
        job = pickle.dumps((function, arguments))
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                jobs, results = await self._pipes()
                jobs.write(len(job).to_bytes(_LENGTH, "big"))
                jobs.write(job)  # not in one call: to copy some megabytes takes milliseconds
                await jobs.drain()
                length = int.from_bytes(await results.readexactly(_LENGTH), "big")
                result = _Result(*pickle.loads(await results.readexactly(length)))  # noqa: S301  # by _work below
        except BaseException as error:
            # The next job must not get the result of this one.
            await self._kill()
            if not isinstance(error, (TimeoutError, OSError, asyncio.IncompleteReadError)):
                raise
            _LOG.error(
                "the process for long queries failed after %.3g s: %r", time.monotonic() - began, error
            )
            raise Unavailable("the gateway could not prepare the request; see its log") from error
        return result

    async def _pipes(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        """Return the pipes to and from the process, which is started if it does not run."""
        if self._process is None or self._process.returncode is not None:
            # Not in the gateway's session: Ctrl-C in a terminal is for the gateway, which ends its jobs.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_CHUNK,
                start_new_session=True,
            )
        return (
            cast("asyncio.StreamWriter", self._process.stdin),
            cast("asyncio.StreamReader", self._process.stdout),
        )

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            with suppress(TimeoutError):
                async with asyncio.timeout(_KILL_SECONDS):
                    await process.wait()

    async def close(self) -> None:
        """End the process; jobs that are still running fail."""
        for job in self._running:
            job.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._kill()


def _work(jobs: BinaryIO, results: BinaryIO) -> None:
    """Run the jobs of the other process until it closes the pipe."""
    while header := jobs.read(_LENGTH):
        function, arguments = pickle.loads(jobs.read(int.from_bytes(header, "big")))  # noqa: S301  # by Offload above
        began = time.process_time()
        value = failure = None
        try:
            value = function(*arguments)
        except Exception as error:  # noqa: BLE001  # it is raised where the job came from
            failure = error
        content = pickle.dumps((value, failure, time.process_time() - began))
        results.write(len(content).to_bytes(_LENGTH, "big") + content)
        results.flush()


if __name__ == "__main__":
    os.nice(_NICENESS)
    with suppress(OSError):  # if memory runs out, the kernel should kill this process, not the gateway
        Path("/proc/self/oom_score_adj").write_text("500")
    _work(sys.stdin.buffer, sys.stdout.buffer)
