"""The gate as a handler of an application, with a real connection to a scripted upstream."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.fakes.app_client import AppClient, http_request
from tests.fakes.observer import Watcher
from tests.fakes.upstream import RawUpstream, answer, answering, silence

from chrysaetos.gateway.app.application import Application
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.federate.handler import GateLimits, Portal, PortalHandler
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.portals.policy import Policy
from chrysaetos.portals.tokens import TokenFile, new_token, write_tokens
from chrysaetos.tenancy.parameters import Text

BODY = b"up 1 1000\n" * 3
ANSWER = answer(BODY, headers=(b"Content-Type: text/plain; version=0.0.4", b"Set-Cookie: a=b", b"Server: x"))
GOOD = "/federate?match[]=up"


class Handler:
    """A handler that sends every request to the gate."""

    def __init__(self, gate):
        self._gate = gate

    async def handle(self, received, exchange):
        request = Request(received, GatewayOptions())
        exchange.path = request.path
        await self._gate.handle(request, exchange)


class Here:
    def __init__(self, app, secrets, server, watcher, offload):
        self.client = AppClient(app)
        self.offload = offload
        self.secrets = secrets
        self.server = server
        self.watcher = watcher

    async def get(self, target=GOOD, *headers, name="portal", method="GET"):
        credentials = (b"authorization", b"Bearer " + self.secrets[name])
        return await self.client.request(method, target, headers=[credentials, *headers])

    async def reached(self, number=1):
        for _ in range(5000):
            if len(self.server.requests) >= number:
                return
            await asyncio.sleep(0.001)
        raise AssertionError("nothing reached the upstream")


@asynccontextmanager
async def here(directory, script=None, allow=("up",), **limits):
    made = {name: new_token(name, Policy(allow), now=0.0, expires=None) for name in ("portal", "other")}
    write_tokens(directory / "tokens.json", [token for _, token in made.values()])
    watcher = Watcher()
    async with RawUpstream(script or answering(ANSWER)) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        tokens = TokenFile(directory / "tokens.json")
        offload = Offload(CpuBudget(2.0, 3600), timeout=30)
        bounds = GateLimits(**{"requests_per_second": 0, **limits})
        handler = PortalHandler(tokens, upstream, bounds, offload=offload)
        secrets = {name: secret.encode() for name, (secret, _) in made.items()}
        yield Here(Application(Handler(handler), observers=[watcher]), secrets, server, watcher, offload)
        assert upstream.in_use == 0
        await offload.close()
        await upstream.close()


async def test_an_admitted_request_is_sent_and_its_response_relayed(tmp_path):
    async with here(tmp_path) as h:
        response = await h.get()
        assert (response.status, response.body, response.complete) == (200, BODY, True)
        assert [name for name, _ in response.headers] == [
            b"content-type",
            b"content-length",
            b"cache-control",
            b"x-openstack-request-id",
        ]
        (asked,) = h.server.requests
        line, *fields = asked.split(b"\r\n")
        assert line.startswith(b"GET /federate?match%5B%5D=%7B__name__%3D%22up%22%2C")
        assert {field.partition(b":")[0] for field in fields if field} == {b"Host", b"User-Agent"}


async def test_only_gzip_of_the_clients_headers_is_forwarded(tmp_path):
    async with here(tmp_path) as h:
        await h.get(GOOD, (b"accept-encoding", b"gzip, br"), (b"cookie", b"c"), (b"x-roles", b"admin"))
        head = h.server.requests[0].lower()
        assert b"\r\naccept-encoding: gzip\r\n" in head
        assert b"cookie" not in head
        assert b"roles" not in head
        assert b"authorization" not in head


async def test_details_are_recorded_on_the_exchange(tmp_path):
    async with here(tmp_path) as h:
        await h.get()
        await h.get("/federate?match[]=secret")
        await h.get("/federate?match[]=sum(up)")
        await h.get("/metrics")
        await h.get(method="POST")
        good, forbidden, malformed, lost, posted = h.watcher.seen
    assert good.caller == Portal(user_id="portal:portal", user_name="portal")
    assert good.texts == (Text("up", '{__name__="up",__name__="up"}'),)
    assert good.upstream_seconds is not None
    assert (good.endpoint.name, good.scope) == ("federate", None)
    assert (forbidden.status, forbidden.texts) == (403, (Text("secret", ""),))
    assert (malformed.status, malformed.texts) == (400, (Text("sum(up)", ""),))
    assert forbidden.caller == malformed.caller == good.caller
    assert (lost.status, lost.endpoint, lost.caller) == (404, None, None)
    assert (posted.status, posted.endpoint, posted.caller) == (405, good.endpoint, None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"0")], 200),
        ([(b"content-length", b"00")], 200),
        ([(b"content-length", b"1")], 400),
        ([(b"transfer-encoding", b"chunked")], 400),
    ],
)
async def test_a_request_with_a_body_is_refused(tmp_path, headers, status):
    async with here(tmp_path) as h:
        assert (await h.get(GOOD, *headers)).status == status
        assert len(h.server.requests) == (status == 200)


async def test_each_portal_has_its_own_rate(tmp_path):
    async with here(tmp_path, requests_per_second=0.01) as h:
        assert [(await h.get()).status for _ in range(4)] == [200, 200, 429, 429]
        refused = await h.get("/federate?match[]=secret")
        assert refused.status == 429
        assert int(refused.header(b"retry-after")) >= 1
        assert b"requests a second" in refused.body
        assert (await h.get(name="other")).status == 200


async def test_each_portal_has_its_own_limit_of_concurrent_requests(tmp_path):
    async with here(tmp_path, silence, requests=2, timeout=0.5) as h:
        waiting = [asyncio.create_task(h.get()) for _ in range(2)]
        await h.reached(2)
        assert (await h.get()).status == 429
        other = asyncio.create_task(h.get(name="other"))
        await h.reached(3)
        assert [(await one).status for one in (*waiting, other)] == [504, 504, 504]
        again = asyncio.create_task(h.get())
        await h.reached(4)
        assert (await again).status == 504


async def test_unknown_tokens_spend_the_budget_of_their_address(tmp_path):
    async with here(tmp_path, failures=3, failures_per_second=0.001) as h:
        h.secrets["guess"] = b"cft_guess"
        app = h.client._app
        h.client = AppClient(app, client="192.0.2.1")
        assert [(await h.get(name="guess")).status for _ in range(5)] == [401, 401, 401, 429, 429]
        assert (await h.get()).status == 200
        h.client = AppClient(app, client="192.0.2.2")
        assert (await h.get(name="guess")).status == 401


async def test_a_response_that_takes_too_long_in_total_is_aborted(tmp_path):
    async def dripping(peer):
        await peer.request()
        await peer.send(answer(b"x" * 1000)[:-900])
        for _ in range(900):
            await peer.send(b"x")
            await asyncio.sleep(0.02)

    async with here(tmp_path, dripping, total_seconds=0.2) as h:
        response = await h.get()
        assert (response.status, response.complete) == (200, False)
        assert h.watcher.seen[0].complete is False
    async with here(tmp_path, silence, total_seconds=0.1) as h:
        response = await h.get()
        assert (response.status, response.json["errorType"]) == (504, "timeout")


async def test_a_response_over_the_limit_is_an_error_or_aborted(tmp_path):
    async with here(tmp_path, response_bytes=len(BODY) - 1) as h:
        assert (await h.get()).status == 422

    async def endless(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            await peer.send(b"5\r\nabcde\r\n")
        await peer.gone()

    async with here(tmp_path, endless, response_bytes=20) as h:
        response = await h.get()
        assert (response.status, response.complete) == (200, False)
        assert len(response.body) <= 20


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (b"400 Bad Request", b"parse error at 10.0.0.7", 400),
        (b"500 Internal Server Error", b"stack", 500),
        (b"503 Service Unavailable", b"Service Unavailable", 503),
        (b"401 Unauthorized", b"", 502),
        (b"403 Forbidden", b"", 502),
        (b"302 Found", b"", 502),
    ],
)
async def test_errors_of_the_upstream_itself_are_not_relayed_to_portals(tmp_path, status, body, expected):
    headers = (b"Location: http://elsewhere/", b'WWW-Authenticate: Basic realm="x"')
    async with here(tmp_path, answering(answer(body, status=status, headers=headers))) as h:
        response = await h.get()
        assert response.status == expected
        assert response.json["status"] == "error"
        assert not body or body not in response.body
        assert response.header(b"location") is None
        assert response.header(b"www-authenticate") is None


@pytest.mark.parametrize(
    ("headers", "takes"),
    [
        ([], False),
        ([(b"authorization", b"Bearer cft_x")], True),
        ([(b"authorization", b"bearer   cft_x")], True),
        ([(b"authorization", b"Bearer gAAAA")], False),
        ([(b"authorization", b"Bearer CFT_x")], False),
        ([(b"authorization", b"Basic cft_x")], False),
        ([(b"authorization", b"Bearer cft_x"), (b"authorization", b"Bearer cft_x")], False),
        ([(b"x-auth-token", b"cft_x")], False),
        ([(b"x-auth-token", b"gAAAA"), (b"authorization", b"Bearer cft_x")], True),
    ],
)
def test_a_portal_is_identified_by_its_only_credential(headers, takes):
    received = http_request("GET", "/any", headers=headers)
    assert PortalHandler.takes(Request(received, GatewayOptions())) is takes


async def test_many_selectors_are_combined_elsewhere_and_charged_to_the_portal(tmp_path):
    """100 selectors and a policy of 50 took 230 ms of the event loop."""
    allow = tuple(f'{{__name__="m{number}",site="x"}}' for number in range(20))
    many = "/federate?" + "&".join(f"match[]={{a='{number}'}}" for number in range(30))
    async with here(tmp_path, allow=allow) as h:
        assert (await h.get("/federate?match[]=m1")).status == 200
        assert h.offload.jobs == 0
        assert (await h.get(many)).status == 200
        assert h.offload.jobs == 1
        assert h.server.requests[-1].count(b"match%5B%5D=") == 600
        h.offload.budget.charge("user portal:portal", 2.0)
        assert (await h.get(many)).status == 429
        assert (await h.get(many, name="other")).status == 200


async def test_a_portal_cannot_name_a_project(tmp_path):
    async with here(tmp_path) as h:
        response = await h.get(GOOD, (b"x-chrysaetos-project", b"A"))
        assert (response.status, h.server.requests) == (400, [])
