"""Faults of the process for long queries: an error for their callers, never an unscoped query."""

import asyncio
import os
import random
import signal
import time
from contextlib import suppress

from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.upstream import RawUpstream, answer, answering

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller

FORM = (b"content-type", b"application/x-www-form-urlencoded")
BODY = b'{"status":"success","data":{}}'


async def test_requests_while_the_process_is_killed_and_suspended():
    conf = cfg.ConfigOpts()
    conf([])
    dice = random.Random(4)
    callers = {name: Caller(user_id=name, project_id=name, roles=("reader",)) for name in "ABC"}
    limits, offload = Limits(LimitOptions()), Offload(CpuBudget(0))
    async with RawUpstream(answering(answer(BODY))) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        app = create_app(
            GatewayOptions(),
            identity=FakeIdentity(callers),
            access=PolicyAccess(conf, "project"),
            upstream=upstream,
            limits=limits,
            offload=offload,
        )
        client = AppClient(app)
        done = False

        async def disturb():
            while not done:
                await asyncio.sleep(dice.random() * max(0.3, 2 * start_seconds))
                process = offload._process
                if process is not None:
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, dice.choice((signal.SIGKILL, signal.SIGSTOP)))

        async def ask(number):
            project = "ABC"[number % 3]
            body = b"query=m%d{a='%b'}" % (number, b"x" * 600)
            headers = [(b"x-auth-token", project.encode()), FORM]
            response = await client.request("POST", "/api/v1/query", headers=headers, body=body)
            return response.status

        began = time.monotonic()
        assert await ask(1000) == 200
        start_seconds = time.monotonic() - began
        await offload._kill()
        offload._timeout = max(0.5, 3 * start_seconds)
        disturbing = asyncio.create_task(disturb())
        statuses: list[int] = []
        while len(statuses) < 60 or set(statuses) < {200, 503}:
            statuses += await asyncio.gather(*(ask(len(statuses) + number) for number in range(12)))
        done = True
        await disturbing
        assert set(statuses) <= {200, 503}
        assert 503 in statuses
        while await ask(1000) != 200:  # the last fault may be one that is not over
            pass
        assert (limits.in_use, limits.sending, limits.waiting, upstream.in_use) == (0, 0, 0, 0)
        assert len(server.requests) == statuses.count(200) + 2
        for request in server.requests:
            number = int(request.partition(b"query=m")[2].split(b"%7B")[0])
            assert b"project%%3D%%22%b%%22" % b"ABC"[number % 3 : number % 3 + 1] in request
        await app.close()
