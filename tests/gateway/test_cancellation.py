"""A request that is cancelled gives back all it holds, at whichever stage it is."""

import asyncio
import time
from contextlib import asynccontextmanager
from urllib.parse import quote_plus

import pytest
from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.upstream import RawUpstream, answer
from tests.support.waiting import until

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller

QUERY = "/api/v1/query?query=up"
LONG_QUERY = f"/api/v1/query?query={quote_plus('+'.join(['up'] * 300))}"
METADATA = "/api/v1/metadata"
ANSWER = answer(b'{"status":"success","data":{}}')
NAMES = answer(b'{"status":"success","data":[%s]}' % b",".join([b'"cpu"'] * 4096))


class Gate:
    """Stops those who pass through it while it is closed.

    Attributes:
        waiting: how many wait.
    """

    def __init__(self):
        self._open = asyncio.Event()
        self.waiting = 0

    async def wait(self):
        self.waiting += 1
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1

    def open(self):
        self._open.set()


class Gateway:
    """A gateway with one slot, one upstream connection and one other process, and a gate for one stage."""

    def __init__(self, gate, port):
        self.gate = gate
        self.limits = Limits(LimitOptions(max_requests=1, max_requests_per_project=1))
        self.upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=port, max_connections=1))
        self.offload = Offload(CpuBudget(), timeout=30)
        self.identity = FakeIdentity({"tenant": Caller(user_id="u", project_id="A", roles=("reader",))})
        conf = cfg.ConfigOpts()
        conf([])
        self.access = PolicyAccess(conf, "project")
        self.app = create_app(
            GatewayOptions(),
            identity=self.identity,
            access=self.access,
            upstream=self.upstream,
            limits=self.limits,
            offload=self.offload,
        )

    @property
    def turns(self):
        """The turns of the jobs for the other process."""
        return self.offload._turns

    def ask(self, target):
        return asyncio.create_task(
            AppClient(self.app).request("GET", target, headers=[(b"x-auth-token", b"tenant")])
        )

    def held(self):
        """What requests hold: slots, projects that are counted, responses, and upstream connections."""
        limits = self.limits
        return limits.in_use, limits.projects, limits.sending, self.upstream.in_use


@asynccontextmanager
async def gateway(reply=None):
    """A gateway in front of an upstream that sends a reply in two parts, with the gate between them."""
    gate = Gate()

    async def script(peer):
        while True:
            request = await peer.request()
            content = NAMES if b"/label/__name__/values" in request else ANSWER
            first = 0 if reply is None else reply(content)
            if reply is not None and first < len(content):
                await peer.send(*([content[:first]] if first else []))
                await gate.wait()
            await peer.send(content[first:])

    async with RawUpstream(script) as server:
        made = Gateway(gate, server.port)
        yield made
        await made.app.close()


def most(content):
    """Return the length of a response without its end."""
    return len(content) - 5


def stop_at(monkeypatch, g, owner, name):
    """Close the gate before a coroutine function."""
    original = getattr(owner, name)

    async def gated(*arguments, **more):
        await g.gate.wait()
        return await original(*arguments, **more)

    monkeypatch.setattr(owner, name, gated)


async def cancel(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def check_free(g):
    """Nothing is held, and further requests succeed at once."""
    assert g.held() == (0, 0, 0, 0)
    g.gate.open()
    for target in (QUERY, LONG_QUERY, METADATA):
        assert (await g.ask(target)).status == 200
    assert (g.held(), g.turns.in_use) == ((0, 0, 0, 0), 0)


@pytest.mark.parametrize(("stage", "method"), [("identity", "identify"), ("access", "grant")])
async def test_while_the_caller_is_not_known(monkeypatch, stage, method):
    async with gateway() as g:
        stop_at(monkeypatch, g, getattr(g, stage), method)
        task = g.ask(QUERY)
        await until(lambda: g.gate.waiting == 1)
        assert g.held() == (0, 0, 0, 0)
        await cancel(task)
        await check_free(g)


async def test_while_it_waits_for_a_slot():
    async with gateway() as g:
        assert g.limits.try_acquire("A")
        task = g.ask(QUERY)
        await until(lambda: g.limits.waiting == 1)
        await cancel(task)
        assert g.limits.waiting == 0
        g.limits.release("A")
        await check_free(g)


@pytest.mark.parametrize("running", [False, True])
async def test_while_its_text_is_scoped_elsewhere(running):
    """The other process finishes what it has begun, and is there for the next one."""
    async with gateway() as g:
        if running:
            task = g.ask(LONG_QUERY)
            await until(lambda: g.turns.in_use == 1)
            await cancel(task)
        else:
            busy = asyncio.create_task(g.offload.run("B", time.sleep, 1))
            await until(lambda: g.turns.in_use == 1)
            task = g.ask(LONG_QUERY)
            await until(lambda: g.turns.waiting == 1)
            assert g.limits.in_use == 1
            await cancel(task)
            assert (g.held(), g.turns.waiting) == ((0, 0, 0, 0), 0)
            await busy
            assert g.offload.jobs == 1
        await check_free(g)


async def test_while_it_waits_for_an_upstream_connection():
    async with gateway(most) as g:
        lease = await g.upstream.request("GET", b"/api/v1/query", timeout=5)
        assert g.upstream.in_use == 1
        task = g.ask(QUERY)
        await until(lambda: g.upstream.waiting == 1)
        assert g.limits.in_use == 1
        await cancel(task)
        assert (g.upstream.waiting, g.limits.in_use) == (0, 0)
        lease.abort()
        await check_free(g)


@pytest.mark.parametrize("target", [QUERY, METADATA])
@pytest.mark.parametrize("first", [lambda _: 0, lambda _: 10, most], ids=["head", "line", "body"])
async def test_while_the_upstream_answers(target, first):
    async with gateway(first) as g:
        task = g.ask(target)
        await until(lambda: g.gate.waiting == 1)
        await until(lambda: g.upstream.in_use == 1)
        await cancel(task)
        await check_free(g)


async def test_while_its_response_is_filtered_elsewhere():
    async with gateway() as g:
        busy = asyncio.create_task(g.offload.run("B", time.sleep, 1))
        await until(lambda: g.turns.in_use == 1)
        task = g.ask(METADATA)
        await until(lambda: g.turns.waiting == 1)
        await cancel(task)
        assert (g.held(), g.turns.waiting) == ((0, 0, 0, 0), 0)
        await busy
        await check_free(g)
