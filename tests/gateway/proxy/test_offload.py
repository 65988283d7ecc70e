"""Jobs in another process: results, errors, turns, and what happens when either side ends."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.cleanup import alive

from chrysaetos.errors import QueryError, TooManyRequests, Unavailable
from chrysaetos.gateway.proxy import offload as offloads
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.tenancy.enforce import scope_query
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

A = Scope.of("project", "A")


@asynccontextmanager
async def offloading(budget=None):
    offload = Offload(budget or CpuBudget(), timeout=10)
    try:
        yield offload
    finally:
        await offload.close()


async def test_a_job_runs_in_another_process():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        assert pid != os.getpid()
        assert await offload.run("A", scope_query, "up", A) == 'up{project="A"}'
        assert await offload.run("A", os.getpid) == pid
        assert await offload.run("A", os.getpid, in_place=True) == os.getpid()
        assert offload.jobs == 3
    assert not alive(pid)


async def test_a_scope_that_is_unrestricted_is_so_in_the_other_process():
    async with offloading() as offload:
        assert await offload.run("A", scope_query, "up", UNRESTRICTED) == "up"


async def test_errors_are_those_of_the_function():
    async with offloading() as offload:
        with pytest.raises(QueryError) as caught:
            await offload.run("A", scope_query, "sum(up", A)
        with pytest.raises(QueryError) as here:
            scope_query("sum(up", A)
        assert str(caught.value) == str(here.value)
        assert vars(caught.value) == vars(here.value)
        with pytest.raises(ValueError, match="invalid literal"):
            await offload.run("A", int, "x")


async def test_large_arguments_and_results_arrive():
    async with offloading() as offload:
        data = os.urandom(10_000_000)
        assert await offload.run("A", bytes, data) == data


async def test_the_event_loop_runs_during_a_job():
    async with offloading(CpuBudget(0)) as offload:
        await offload.run("A", os.getpid)
        for _ in range(20):  # a process that is not scheduled for a moment must not fail this
            before = offload.seconds
            job = asyncio.create_task(offload.run("A", sum, range(20_000_000)))
            longest, last = 0.0, time.perf_counter()
            while not job.done():
                await asyncio.sleep(0.001)
                longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
            assert await job == sum(range(20_000_000))
            if longest < offload.seconds - before:
                return
        pytest.fail("the event loop waited for each of the jobs")


async def test_a_project_that_has_used_its_budget_gets_an_error_and_its_short_jobs_move_out():
    async with offloading(CpuBudget(0.1, 3600)) as offload:
        assert await offload.run("A", os.getpid, in_place=True) == os.getpid()
        offload.budget.charge("A", 0.05)
        assert await offload.run("A", os.getpid, in_place=True) != os.getpid()
        offload.budget.charge("A", 0.1)
        with pytest.raises(TooManyRequests):
            await offload.run("A", os.getpid, in_place=True)
        assert await offload.run("B", os.getpid, in_place=True) == os.getpid()
        assert offload.budget.used("B") > 0


async def test_jobs_are_charged_to_their_project():
    async with offloading() as offload:
        with pytest.raises(QueryError):
            await offload.run("A", scope_query, "a+" * 10_000, A)
        assert 0 < offload.seconds < 60
        assert offload.budget.used("A") == pytest.approx(offload.seconds / 2, rel=0.1, abs=0.01)
        assert offload.budget.used("B") == 0


async def test_projects_take_turns():
    async with offloading() as offload:
        await offload.run("A", os.getpid)
        order = []

        async def job(project):
            await offload.run(project, time.sleep, 0.01)
            order.append(project)

        await asyncio.gather(*(job(project) for project in "AAAAAB"))
        assert order.index("B") <= 2


async def test_a_caller_that_is_cancelled_does_not_get_its_result_to_another():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        cancelled = asyncio.create_task(offload.run("A", time.sleep, 0.3))
        waiting = asyncio.create_task(offload.run("A", time.sleep, 0.3))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        waiting.cancel()
        assert await offload.run("B", str, "new") == "new"
        assert await offload.run("A", os.getpid) == pid
        assert offload.jobs == 4  # the one that was cancelled before its turn was not run


async def test_a_process_that_ends_is_replaced(caplog):
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        with pytest.raises(Unavailable, match="could not prepare the request"):
            await offload.run("A", os._exit, 1)
        assert "IncompleteReadError" in caplog.text
        assert await offload.run("A", os.getpid) != pid


async def test_a_job_that_takes_too_long_is_given_up():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        offload._timeout = 1
        with pytest.raises(Unavailable):
            await offload.run("A", time.sleep, 60)
        offload._timeout = 10
        assert not alive(pid)
        assert offload.budget.used("A") > 0.4
        assert await offload.run("A", str, 1) == "1"


async def test_a_process_that_cannot_be_started_is_an_error(monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with offloading() as offload:
        with pytest.raises(Unavailable, match="could not prepare the request"):
            await offload.run("A", os.getpid)
        assert "No such file" in caplog.text
        monkeypatch.undo()
        assert await offload.run("A", os.getpid) != os.getpid()


async def test_closing_ends_a_job_that_runs():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        job = asyncio.create_task(offload.run("A", time.sleep, 60))
        await asyncio.sleep(0.05)
        await offload.close()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert not alive(pid)


def test_the_process_ends_with_a_gateway_that_is_killed():
    script = (
        "import asyncio, os\n"
        "from chrysaetos.gateway.proxy.cpu_budget import CpuBudget\n"
        "from chrysaetos.gateway.proxy.offload import Offload\n"
        "async def main():\n"
        "    print(await Offload(CpuBudget(), timeout=10).run('A', os.getpid), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    deadline = time.monotonic() + 10
    while alive(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_process_that_cannot_be_killed_does_not_hold_up_the_next(monkeypatch):
    monkeypatch.setattr(offloads, "_KILL_SECONDS", 0.1)
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        process = offload._process
        assert process is not None
        monkeypatch.setattr(process, "kill", lambda: None)
        offload._timeout = 0.5
        with pytest.raises(Unavailable):
            await offload.run("A", time.sleep, 60)
        offload._timeout = 10
        assert await offload.run("B", os.getpid) != pid
        os.kill(pid, signal.SIGKILL)
        await process.wait()


def _oom_score(pid):
    return Path(f"/proc/{pid}/oom_score_adj").read_text().strip()


async def test_the_kernel_prefers_the_process_when_memory_runs_out():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        assert _oom_score(pid) == "500"


@pytest.mark.parametrize(
    ("function", "arguments", "error"),
    [
        (sys.exit, (1,), Unavailable),  # not an Exception: it ends the process
        (bytes, (1 << 62,), MemoryError),
        (os.kill, (0, signal.SIGKILL), Unavailable),
        (threading.Lock, (), Unavailable),  # the result cannot be pickled
    ],
)
async def test_a_job_that_fails_is_an_error_and_the_next_one_is_run(function, arguments, error):
    async with offloading() as offload:
        with pytest.raises(error):
            await offload.run("A", function, *arguments)
        assert await offload.run("A", scope_query, "up", A) == 'up{project="A"}'


async def test_a_process_that_was_killed_between_two_jobs_is_replaced_before_the_next():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        os.kill(pid, signal.SIGKILL)
        process = offload._process
        assert process is not None
        await process.wait()
        assert await offload.run("A", os.getpid) != pid


async def test_a_process_that_is_suspended_is_replaced():
    async with offloading() as offload:
        pid = await offload.run("A", os.getpid)
        os.kill(pid, signal.SIGSTOP)
        offload._timeout = 0.5
        jobs = [offload.run(project, scope_query, "up", Scope.of("project", project)) for project in "ABC"]
        running = asyncio.gather(*jobs, return_exceptions=True)
        await asyncio.sleep(0.1)  # the first has begun
        offload._timeout = 10  # for the others, which start another process
        first, *others = await running
        assert isinstance(first, Unavailable)
        assert others == ['up{project="B"}', 'up{project="C"}']
