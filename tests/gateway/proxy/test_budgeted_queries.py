"""Query budgets from request to response: what the engine gets, and what its errors become."""

import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import pytest
from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.upstream import RawUpstream, answer

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.proxy.query_budgets import QueryBudgets
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.engine import EngineScoping

CALLERS = {
    "tenant": Caller(user_id="u", project_id="A", project_domain_id="d", roles=("reader",)),
    "admin": Caller(user_id="a", project_id="X", roles=("admin",)),
}
BUDGETS = QueryBudgets({"max_series": 100, "timeout": 30_000}, {"role": {}, "domain": {}, "project": {}})
FOUND = answer(json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode())
ESTIMATE = {"seriesTouched": 250, "samplesRead": 7}
COST = answer(json.dumps({"status": "success", "data": {"estimate": ESTIMATE}}).encode())


def error(kind, text):
    return json.dumps({"status": "error", "errorType": kind, "error": text}).encode()


TOO_MANY = answer(
    error("cost_limit", "query would load too many series into memory in expression evaluation"),
    status=b"422 Unprocessable Entity",
)
NO_PAGE = answer(b"404 page not found\n", status=b"404 Not Found")


class Gateway:
    def __init__(self, app, server):
        self.client = AppClient(app)
        self.server = server

    async def ask(self, target, who="tenant", *headers, method="GET", body=b""):
        token = (b"x-auth-token", who.encode())
        return await self.client.request(method, target, headers=[token, *headers], body=body)

    def received(self, number=-1):
        """Return the path and the parameters of a request to the engine."""
        head, _, body = self.server.requests[number].partition(b"\r\n\r\n")
        path, _, query = head.split(b" ")[1].partition(b"?")
        return path.decode(), dict(parse_qsl((query + b"&" + body).decode()))


@asynccontextmanager
async def gateway(query=FOUND, cost=COST, **options):
    async def engine(peer):
        while True:
            asked = await peer.request()
            await peer.send(cost if b"_cost" in asked.partition(b" HTTP")[0] else query)

    conf = cfg.ConfigOpts()
    conf([])
    async with RawUpstream(engine) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        app = create_app(
            GatewayOptions(**{"budgets": BUDGETS, **options}),
            identity=FakeIdentity(CALLERS),
            access=PolicyAccess(conf, "project"),
            upstream=upstream,
        )
        yield Gateway(app, server)
        assert upstream.in_use == 0
        await app.close()


FORM = (b"content-type", b"application/x-www-form-urlencoded")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_scoped_query_carries_its_budget(method):
    async with gateway() as g:
        pairs = "query=up&max_series=7&timeout=1h"
        if method == "GET":
            response = await g.ask(f"/api/v1/query?{pairs}")
        else:
            response = await g.ask("/api/v1/query", "tenant", FORM, method="POST", body=pairs.encode())
        assert response.status == 200
        assert g.received() == (
            "/api/v1/query",
            {"query": 'up{project="A"}', "max_series": "7", "timeout": "30.000"},
        )


@pytest.mark.parametrize(
    ("target", "who"), [("/api/v1/query?query=up", "admin"), ("/api/v1/series?match[]=up", "tenant")]
)
async def test_other_requests_carry_none(target, who):
    async with gateway() as g:
        assert (await g.ask(target, who)).status == 200
        assert not {"max_series", "timeout"} & set(g.received()[1])


async def test_a_request_for_a_project_has_the_budget_of_that_project():
    named = {"role": {"admin": {"timeout": 1}}, "domain": {}, "project": {"A": {"max_series": 7}}}
    async with gateway(budgets=QueryBudgets({"max_series": 100}, named)) as g:
        header = (b"x-chrysaetos-project", b"A")
        assert (await g.ask("/api/v1/query?query=up", "admin", header)).status == 200
        assert g.received()[1] == {"query": 'up{project="A"}', "max_series": "7"}
        explained = await g.ask("/-/explain?query=up", "admin", header)
        assert explained.json["data"]["budget"] == {"max_series": "7"}


async def test_a_tenant_cannot_leave_a_budget_by_restricting_a_request():
    named = {"role": {"reader": {"timeout": 2000}}, "domain": {"d": {"max_series": 5}}, "project": {}}
    async with gateway(budgets=QueryBudgets({"max_series": 100, "timeout": 9000}, named)) as g:
        header = (b"x-chrysaetos-project", b"A")
        assert (await g.ask("/api/v1/query?query=up", "tenant", header)).status == 200
        assert g.received()[1] == {"query": 'up{project="A"}', "max_series": "5", "timeout": "2.000"}
        explained = await g.ask("/-/explain?query=up", "tenant", header)
        assert explained.json["data"]["budget"] == {"max_series": "5", "timeout": "2s"}


async def test_a_query_over_its_budget_is_422_with_the_budget_and_the_cost():
    async with gateway(TOO_MANY, engine=EngineScoping({"extra": "{project}"}, {"Tenant": "{project}"})) as g:
        response = await g.ask("/api/v1/query_range?query=up&start=1&end=2&step=1")
        assert (response.status, response.json["errorType"]) == (422, "cost_limit")
        assert response.json["error"] == (
            "the query exceeds its budget: max_series is 100, and it would read about 250 series and 7 "
            "samples. Select fewer series or a shorter time"
        )
        path, sent = g.received()
        assert path == "/api/v1/query_range_cost"
        assert (sent["query"], sent["extra"], sent["start"]) == ('up{project="A"}', "A", "1")
        assert b"\r\nTenant: A\r\n" in g.server.requests[-1]


@pytest.mark.parametrize(
    "cost",
    [
        NO_PAGE,
        answer(b"{}"),
        answer(b"[]"),
        answer(b"x"),
        answer(b'{"data":{"estimate":{"seriesTouched":null,"samplesRead":1}}}'),
        answer(COST.partition(b"\r\n\r\n")[2] + b" " * 300_000),
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nsecre",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsecre\r\nx",
        b"secret\r\n\r\n",
    ],
    ids=range(9),
)
async def test_a_budget_is_named_where_the_engine_does_not_estimate(cost):
    async with gateway(TOO_MANY, cost) as g:
        response = await g.ask("/api/v1/query?query=up")
        text = "the query exceeds its budget: max_series is 100. Select fewer series or a shorter time"
        assert (response.status, response.json["error"]) == (422, text)
        explained = (await g.ask("/-/explain?query=up&cost=true")).json["data"]
        assert (explained["budget"], explained["cost"]) == ({"max_series": "100", "timeout": "30s"}, None)


async def test_a_limit_of_the_callers_own_is_the_engines_error():
    async with gateway(TOO_MANY) as g:
        response = await g.ask("/api/v1/query?query=up&max_series=5")
        assert (response.status, response.json["errorType"]) == (422, "cost_limit")
        assert "budget" not in response.json["error"]
        assert len(g.server.requests) == 1


async def test_an_explanation_shows_budget_and_cost():
    async with gateway() as g:
        data = (await g.ask("/-/explain?query=up&time=5&cost=true")).json["data"]
        assert data["budget"] == {"max_series": "100", "timeout": "30s"}
        assert data["cost"] == {"series": 250, "samples": 7}
        path, sent = g.received()
        assert (path, sent["query"], sent["time"]) == ("/api/v1/query_cost", 'up{project="A"}', "5")
        assert (await g.ask("/-/explain?query=up")).json["data"]["cost"] is None
        assert (await g.ask("/-/explain?query=up&cost=true", "admin")).json["data"]["budget"] == {}
        assert len(g.server.requests) == 2
        narrowed = (b"x-chrysaetos-project", b"B")
        assert (await g.ask("/-/explain?query=up&cost=true", "admin", narrowed)).status == 200
        assert g.received()[1]["query"] == 'up{project="B"}'
        missing = await g.ask("/-/explain?path=/api/v1/query_range&query=up&cost=true")
        assert (missing.status, missing.json["error"]) == (400, 'the parameter "start" is missing')
