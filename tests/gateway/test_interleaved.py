"""Thousands of interleaved requests of several projects, some of them cancelled: each gets its own answer.

The upstream echoes what it got. Requests take each way through the gateway: cached, scoped in the event loop
or in the other process, coalesced, streamed, filtered, explained, with an error. A project's answer has to
have its own number, if it has one, and no other project.
"""

import asyncio
import json
import random
import re
from collections import Counter
from contextlib import suppress
from urllib.parse import quote_plus, unquote_plus

from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.remote_read import EQ, Matcher, query
from tests.fakes.upstream import RawUpstream, answer

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.errors import Forbidden
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.snappy import compress, decompress

REQUESTS, CLIENTS = 4000, 60
PROJECTS = tuple(f"p{number}" for number in range(6))
DOMAINS = {"d0": ("p0",), "d1": ("p1", "p2"), "d2": tuple(f"x{number}" for number in range(300))}
ALL = {name: (name,) for name in PROJECTS} | DOMAINS
"""The projects that a token may see, by token."""
WAYS = (
    *("cached", "inline", "long", "same", "same", "series", "labels", "explain", "rules", "read", "fails"),
    "format",
)
DICE = random.Random(15)
NAME = re.compile(r"\b[px][0-9]+\b")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
READ = ((b"content-type", b"application/x-protobuf"), (b"content-encoding", b"snappy"))
RULES = json.dumps(
    {
        "status": "success",
        "data": {
            "groups": [
                {
                    "name": f"g{number}",
                    "file": "f",
                    "interval": 1,
                    "rules": [
                        {
                            "type": "recording",
                            "name": "r",
                            "query": f'up{{project="{project}"}}',
                            "labels": {"project": project},
                            "health": "ok",
                        }
                    ],
                }
                for number, project in enumerate((*PROJECTS, *DOMAINS["d2"]))
            ]
        },
    }
).encode()


class Domains:
    async def of(self, domain_id):
        await asyncio.sleep(0)
        try:
            return DOMAINS[domain_id]
        except KeyError:
            raise Forbidden("unknown domain") from None


async def echo(peer):
    """Respond with the request itself: at once, in pieces, or as an error about it."""
    while True:
        request = await peer.request()
        head, _, body = request.partition(b"\r\n\r\n")
        target = head.split(b" ", 2)[1]
        await asyncio.sleep(DICE.choice((0, 0, 0.001, 0.005)))
        if target.startswith(b"/api/v1/rules"):
            await peer.send(answer(RULES))
            continue
        if target == b"/api/v1/read":
            await peer.send(answer(body, headers=(b"Content-Type: application/x-protobuf",)))
            continue
        text = unquote_plus((target + b" " + body).decode())
        if "fails" in text:
            error = {"status": "error", "errorType": "execution", "error": f"{text}: no"}
            await peer.send(answer(json.dumps(error).encode(), status=b"422 Unprocessable Entity"))
            continue
        content = json.dumps({"status": "success", "data": {"echo": text}}).encode()
        whole = answer(content)
        cut = len(whole) - len(content) // 2
        await peer.send(*((whole,) if DICE.random() < 0.7 else (whole[:cut], whole[cut:])))


def make(number):
    """Return method, target, headers, body and the name of the way of a request."""
    way = DICE.choice(WAYS)
    headers: tuple[tuple[bytes, bytes], ...] = (FORM,)
    method, target, mark = "POST", "/api/v1/query", f"n{number}n"
    texts = {
        "cached": f"sum(up{{vm='{'v' * DICE.choice((1, 600))}'}})",
        "inline": f"rate({mark}[5m])",
        "long": f"{mark}{{vm=~'{'a|' * DICE.randrange(300, 1500)}b'}}",
        "same": f"same{number // 200}",
        "fails": f"{mark}+fails",
        "explain": f"{mark}{{vm='{'v' * DICE.choice((1, 600))}'}}",
    }
    body = b"query=" + quote_plus(texts.get(way, "")).encode()
    if way == "series":
        target = "/api/v1/series"
        body = b"&".join(b"match[]=%b" % quote_plus(f"{mark}{{a='{n}'}}").encode() for n in range(40))
    elif way == "labels":
        method, target, body, headers = "GET", "/api/v1/labels", b"", ()
    elif way == "explain":
        target = "/-/explain"
    elif way == "rules":
        method, target, body, headers = "GET", "/api/v1/rules", b"", ()
    elif way == "format":
        target, body = "/api/v1/format_query", f"query={mark}{'+' * DICE.choice((1, 20_000))}1".encode()
    elif way == "read":
        target, headers = "/api/v1/read", READ
        values = "v" * DICE.choice((1, 600))
        body = compress(query([Matcher(EQ, "__name__", mark), Matcher(EQ, "vm", values)], 0, 1000))
    numbered = way not in {"cached", "same", "labels", "rules"}
    return way, method, target, headers, body, mark if numbered else ""


def check(way, response, token, mark):
    """Check that an answer is this caller's, and of nobody else."""
    body = (
        decompress(response.body, 1 << 24).decode("utf-8", "replace")
        if way == "read"
        else response.body.decode()
    )
    own = set(ALL[token])
    assert response.status == (422 if way == "fails" else 200), (way, token, response.status, body[:300])
    assert mark in body, (way, token, mark, body[:300])
    named = set(NAME.findall(body))
    assert named <= own, (way, token, named - own, body[:300])
    if way not in {"fails", "format"}:
        assert named == own, (way, token, own - named, body[:300])


async def test_each_of_thousands_of_interleaved_requests_gets_its_own_answer(tmp_path):
    rules = tmp_path / "policy.yaml"
    check_of = "project_id:%(project_id)s or domain_id:%(domain_id)s"
    names = ("query", "series", "labels", "label")
    rules.write_text("".join(f'"telemetry:{name}": "{check_of}"\n' for name in names))
    conf = cfg.ConfigOpts()
    conf([])
    access = PolicyAccess(conf, "project", domains=Domains())
    conf.set_override("policy_file", str(rules), "oslo_policy")
    access.reload()
    callers = {name: Caller(user_id=f"u{name}", project_id=name, roles=("reader",)) for name in PROJECTS}
    callers |= {name: Caller(user_id=f"u{name}", domain_id=name) for name in DOMAINS}
    identity = FakeIdentity(callers)
    identity.warm = {name for number, name in enumerate(callers) if number % 2}
    # On a busy machine, requests wait long for one of these slots.
    limited = LimitOptions(max_requests=20, max_requests_per_project=4, max_sending=0, wait_seconds=60)
    limits = Limits(limited)
    offload, coalescer = Offload(CpuBudget(0), timeout=30), Coalescer()
    done: Counter[str] = Counter()
    async with RawUpstream(echo) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port, max_connections=15))
        app = create_app(
            GatewayOptions(),
            identity=identity,
            access=access,
            upstream=upstream,
            limits=limits,
            offload=offload,
            coalescer=coalescer,
        )
        client = AppClient(app)
        numbers = iter(range(REQUESTS))

        async def ask(number):
            way, method, target, headers, body, mark = make(number)
            token = PROJECTS[number // 200 % 6] if way == "same" else DICE.choice(tuple(ALL))
            headers = [(b"x-auth-token", token.encode()), *headers]
            request = asyncio.create_task(client.request(method, target, headers=headers, body=body))
            if DICE.random() < 0.2:
                await asyncio.sleep(DICE.choice((0, 0, 0.001, 0.003, 0.01)))
                request.cancel()
                with suppress(asyncio.CancelledError):
                    check(way, await request, token, mark)
                done["cancelled"] += request.cancelled()
            else:
                check(way, await request, token, mark)
                done[way] += 1

        async def client_of_many():
            for number in numbers:
                await ask(number)

        await asyncio.gather(*(client_of_many() for _ in range(CLIENTS)))
        assert (limits.in_use, limits.sending, limits.waiting, limits.projects) == (0, 0, 0, 0)
        await asyncio.sleep(0.2)  # jobs whose caller was cancelled are finished
        assert (upstream.in_use, upstream.waiting, len(coalescer), len(offload._running)) == (0, 0, 0, 0)
        assert offload._turns.in_use == offload._turns.waiting == 0
        await app.close()
    assert min(done.values()) > REQUESTS // 40, done
    assert len(done) == 12
    assert coalescer.shared > 0
    assert coalescer.alone > 0
    assert offload.jobs > REQUESTS // 8
