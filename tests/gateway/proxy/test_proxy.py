"""The path of a request: the order of its steps, what is recorded, and what every exit releases."""

import asyncio
import json
from urllib.parse import parse_qsl

import pytest
from tests.fakes.app_client import Answer, http_request
from tests.fakes.proxy_steps import Steps
from tests.fakes.upstream import answer, answering, silence
from tests.support.scripted_gateway import ANSWER, BODY, CALLERS, FORM, gateway, pairs
from tests.support.waiting import until

from chrysaetos.errors import ApiError, GatewayTimeout
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.query_budgets import QueryBudgets
from chrysaetos.gateway.proxy.scoping import Scoping

BUDGETS = QueryBudgets({"max_series": 100}, {"role": {}, "domain": {}, "project": {}})


def holds_nothing(limits):
    return (limits.in_use, limits.sending, limits.projects) == (0, 0, 0)


async def test_steps_are_taken_in_their_order_and_the_slot_is_released_before_sending():
    steps = Steps()
    await steps.handle()
    assert steps.taken == [
        ("identify", 0),
        ("grant", 0),
        ("bind", 1),
        ("ask", 1),
        ("start", 0),
        ("body", 0),
        ("drained", 0),
    ]
    assert holds_nothing(steps.limits)


@pytest.mark.parametrize("failure", [GatewayTimeout("slow"), None])
@pytest.mark.parametrize(
    ("step", "recorded"),
    [
        ("identify", (False, False, False, False)),
        ("grant", (True, False, False, False)),
        ("bind", (True, True, False, False)),
        ("ask", (True, True, True, True)),
        ("drained", (True, True, True, True)),
    ],
)
async def test_every_exit_releases_the_slot_and_records_what_is_known(step, recorded, failure):
    steps = Steps()
    steps.fails_at, steps.failure = step, failure
    task = asyncio.create_task(steps.handle())
    if failure is None:
        await until(lambda: steps.taken and steps.taken[-1][0] == step)
        task.cancel()
    with pytest.raises(type(failure) if failure else asyncio.CancelledError):
        await task
    assert steps.taken[-1][0] == step
    assert holds_nothing(steps.limits)
    seen = steps.exchange
    known = seen.caller is CALLERS["tenant"], seen.scope is not None, seen.texts != ()
    assert (*known, seen.upstream_seconds is not None) == recorded


@pytest.mark.parametrize(
    ("query", "status"), [("query=up(", 200), ("", 200), ("query=up", 302), ("query=up", 401)]
)
async def test_rejected_request_or_response_releases_the_slot(query, status):
    steps = Steps()
    steps.status = status
    with pytest.raises(ApiError):
        await steps.handle(query)
    assert steps.taken[-1][0] in {"bind", "ask"}
    assert holds_nothing(steps.limits)


@pytest.mark.parametrize(
    ("who", "sent"),
    [("tenant", [("query", 'up{project="A"}'), ("max_series", "100")]), ("admin", [("query", "up")])],
)
async def test_budget_is_applied_to_the_scoped_query_of_a_restricted_caller(who, sent):
    steps = Steps(budgets=BUDGETS)
    await steps.handle(who=who)
    assert parse_qsl(steps.target.partition(b"?")[2].decode()) == sent


# with a server


async def test_a_tenants_query_is_scoped_and_the_response_relayed():
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up&time=1")
        assert (response.status, response.body, response.complete) == (200, BODY, True)
        line, _, _ = g.asked()
        method, target, _ = line.split(b" ")
        path, _, query = target.partition(b"?")
        assert (method, path) == (b"GET", b"/api/v1/query")
        assert pairs(query) == [("query", 'up{project="A"}'), ("time", "1")]


async def test_no_header_of_the_client_reaches_the_upstream():
    async with gateway() as g:
        await g.get(
            "/api/v1/query?query=up",
            "tenant",
            (b"x-project-id", b"B"),
            (b"x_project_id", b"B"),
            (b"x-roles", b"admin"),
            (b"authorization", b"Bearer secret"),
            (b"cookie", b"c"),
            (b"host", b"elsewhere"),
            (b"x-scope-orgid", b"B"),
            (b"accept-encoding", b"br, gzip;q=0.5"),
        )
        _, headers, _ = g.asked()
        assert headers.pop(b"host") == b"127.0.0.1:%d" % g.server.port
        assert headers.pop(b"accept-encoding") == b"gzip"
        assert headers.pop(b"user-agent").startswith(b"chrysaetos/")
        assert set(headers) <= {b"accept"}


@pytest.mark.parametrize(
    ("who", "told", "encoding"), [("tenant", False, b"identity"), ("admin", True, b"gzip")]
)
async def test_only_unrestricted_callers_are_told_which_store_failed(who, told, encoding):
    body = b'{"status":"success","data":[],"warnings":["Addr: 10.0.0.7:10901: rpc error: refused"]}'
    async with gateway(answering(answer(body)), engine_warns_of_stores=True) as g:
        response = await g.get("/api/v1/labels", who, (b"accept-encoding", b"gzip"))
        assert (b"10.0.0.7" in response.body) is told
        assert json.loads(response.body)["warnings"]
        _, headers, _ = g.asked()
        assert headers[b"accept-encoding"] == encoding


async def test_an_admins_request_is_not_scoped():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up&stats=all", "admin")
        line, _, _ = g.asked()
        assert line.split(b" ")[1] == b"/api/v1/query?query=up&stats=all"


async def test_a_form_is_scoped_and_sent_as_a_form():
    async with gateway() as g:
        response = await g.post("/api/v1/query_range/", b"query=up&start=1&end=2&step=1s")
        assert response.status == 200
        line, headers, body = g.asked()
        assert line.split(b" ")[:2] == [b"POST", b"/api/v1/query_range"]
        assert headers[b"content-type"] == FORM[1]
        assert pairs(body) == [("query", 'up{project="A"}'), ("start", "1"), ("end", "2"), ("step", "1s")]


async def test_an_error_of_prometheus_is_relayed_unchanged():
    body = b'{"status":"error","errorType":"execution","error":"many-to-many"}'
    async with gateway(answering(answer(body, status=b"422 Unprocessable Entity"))) as g:
        response = await g.get("/api/v1/query?query=up")
        assert (response.status, response.body) == (422, body)


@pytest.mark.parametrize(
    ("target", "sent", "own"),
    [
        ("/api/v1/query?query=up+%2B+down", "1:19", "1:6"),
        ("/api/v1/query?query=up%0A%2B+down", "2:3", "2:3"),
        ("/api/v1/query?query=rate(up[0x10])%2Bdown", "1:27", "1:16"),
        ("/api/v1/query?query=up", "7:1", "7:1"),
        ("/api/v1/series?match[]={a=~%22(%22}", "1:14", "1:2"),
        ("/api/v1/series?match[]=up&match[]=down", "1:14", "1:14"),  # the position may be in either
        ("/api/v1/series", "1:3", "1:3"),
    ],
)
async def test_a_position_in_an_error_is_in_the_callers_text(target, sent, own):
    message = "invalid parameter: {}: parse error: unexpected identifier"
    error = {"status": "error", "errorType": "bad_data", "error": message.format(sent)}
    script = answering(answer(json.dumps(error).encode(), status=b"400 Bad Request"))
    async with gateway(script) as g:
        response = await g.get(target)
        assert (response.status, response.json) == (400, error | {"error": message.format(own)})
        assert response.header(b"content-length") == b"%d" % len(response.body)
        response = await g.get(target, "admin")
        assert response.json == error


@pytest.mark.parametrize("shared", [False, True])
async def test_an_error_in_another_format_is_relayed_only_to_unrestricted_callers(*, shared, caplog):
    body = b'remoteAddr: "10.0.0.7:1"; requestURI: "/federate?match[]=..."; a reason'
    script = answering(answer(body, status=b"400 Bad Request", headers=(b"Content-Type: text/plain",)))
    async with gateway(script, coalescer=Coalescer() if shared else None) as g:
        for path in ("/federate?match[]=up", "/api/v1/status/buildinfo", "/api/v1/query?query=up"):
            response = await g.get(path)
            assert (response.status, response.json["errorType"]) == (400, "bad_data")
            assert response.header(b"content-type") == b"application/json"
            assert b"10.0.0.7" not in response.body
            assert g.watcher.seen[-1].request_id in caplog.text
            everything = await g.get(path, "admin")
            assert (everything.status, everything.body) == (400, body)
        assert caplog.text.count("10.0.0.7") == 3


async def test_a_silent_prometheus_is_a_gateway_timeout():
    async with gateway(silence, timeout=0.05) as g:
        response = await g.get("/api/v1/query?query=up")
        assert (response.status, response.json["errorType"]) == (504, "timeout")


async def test_without_prometheus_the_gateway_is_unavailable():
    async with gateway() as g:
        await g.upstream.close()
        response = await g.get("/api/v1/query?query=up")
        assert response.status == 503
        assert response.header(b"retry-after") == b"1"
        assert g.watcher.seen[-1].upstream_seconds is not None


async def test_details_of_a_request_are_observed():
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up")
        (exchange,) = g.watcher.seen
        assert response.header(b"x-openstack-request-id") == exchange.request_id.encode()
        assert (exchange.method, exchange.path, exchange.endpoint.name) == ("GET", "/api/v1/query", "query")
        assert exchange.caller is CALLERS["tenant"]
        assert exchange.scope.values == ("A",)
        assert exchange.texts == (("up", 'up{project="A"}'),)
        assert (exchange.status, exchange.error, exchange.complete) == (200, "", True)
        assert exchange.sent == len(BODY)
        assert 0 < exchange.upstream_seconds < exchange.seconds


async def test_a_rejected_query_is_observed_as_received():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up%20(")
        assert g.watcher.seen[0].texts == (("up (", ""),)


async def test_a_request_that_has_no_slot_is_not_scoped(monkeypatch):
    monkeypatch.setattr(Scoping, "bind", lambda *_: pytest.fail("scoped"))
    limits = Limits(LimitOptions(max_requests_per_project=1, max_waiting_per_project=0))
    limits.try_acquire("A")
    async with gateway(limits=limits) as g:
        for path in ("/api/v1/query", "/-/explain"):
            assert (await g.get(f"{path}?query=up")).status == 429
        assert g.server.requests == []
    assert limits.in_use == 1


async def test_a_cancelled_request_releases_its_slot():
    limits = Limits(LimitOptions(max_requests_per_project=1))
    async with gateway(silence, limits=limits) as g:
        task = asyncio.create_task(g.get("/api/v1/query?query=up"))
        await g.reached()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (limits.in_use, g.upstream.in_use) == (0, 0)
        assert g.watcher.seen[0].status == 499


async def test_identical_reads_of_one_scope_share_a_request():
    async def slow(peer):
        while True:
            await peer.request()
            await asyncio.sleep(0.05)
            await peer.send(ANSWER)

    async with gateway(slow, coalescer=Coalescer()) as g:
        asked = [("tenant", "up")] * 5 + [("admin", "up"), ("tenant", "down")]
        answers = await asyncio.gather(*(g.get(f"/api/v1/query?query={query}", who) for who, query in asked))
        assert [answer.body for answer in answers] == [BODY] * 7
        assert len(g.server.requests) == 3
        assert len({answer.header(b"x-openstack-request-id") for answer in answers}) == 7


async def test_clients_that_read_slowly_keep_no_slot_and_no_connection():
    async def long(peer):
        while True:
            await peer.request()
            await peer.send(answer(b"x" * 3_000_000))

    limits = Limits(LimitOptions(max_requests=2, max_requests_per_project=2, max_sending=1))
    async with gateway(long, limits=limits) as g:

        class Stuck(Answer):
            paused = True

            async def drained(self):
                await asyncio.get_running_loop().create_future()

            def abort(self):
                first.cancel()

        async def ask():
            headers = [(b"x-auth-token", b"tenant")]
            await g.app(http_request("GET", "/api/v1/query?query=up", headers=headers), Stuck())

        first = asyncio.create_task(ask())
        await until(lambda: limits.sending == 1)
        assert (limits.in_use, limits.running("A")) == (0, 1)
        second = asyncio.create_task(ask())
        await until(first.done)
        assert first.cancelled()
        assert (limits.sending, limits.aborted, g.upstream.in_use) == (1, 1, 1)
        second.cancel()
        await asyncio.wait([second])
        assert (limits.sending, limits.in_use, limits.projects) == (0, 0, 0)


@pytest.mark.parametrize(
    "status", [b"301 Moved", b"302 Found", b"304 Not Modified", b"401 No", b"403 No", b"407 No"]
)
async def test_responses_meant_for_the_gateway_itself_are_not_relayed(status):
    script = answering(answer(b"", status=status, headers=(b"Location: http://elsewhere/",)))
    async with gateway(script) as g:
        response = await g.get("/api/v1/query?query=up")
        assert response.status == 502
        assert response.header(b"location") is None
        assert len(g.server.requests) == 1
