"""``whoami`` and ``explain``."""

import asyncio
import base64
import math
import time
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from oslo_config import cfg
from tests.e2e.hostile import HOSTILE, REFUSED, SELECTORS
from tests.fakes.app_client import Answer, AppClient, http_request
from tests.fakes.identity import FakeIdentity
from tests.fakes.observer import Watcher
from tests.fakes.upstream import RawUpstream, answer, answering

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.promql.parser import Bounds
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.labels import LabelTable
from chrysaetos.tenancy.scope import Scope

CALLERS = {
    "tenant": Caller(
        user_id="u",
        user_name="uma",
        user_domain_id="default",
        project_id="A",
        project_name="tenant-a",
        project_domain_id="default",
        roles=("reader", "x"),
        expires_at=1.8e9,
    ),
    "admin": Caller(user_id="a", project_id="X", roles=("admin",), service_roles=("service",)),
    "stranger": Caller(user_id="s", project_id="S"),
    "homeless": Caller(user_id="h", roles=("admin", "reader"), expires_at=math.inf),
    "domain": Caller(user_id="d", domain_id="D"),
    "system": Caller(user_id="y", system_scope="all", roles=("admin",)),
    "restricted": Caller(user_id="r", project_id="A", roles=("reader",), restricted=True),
}
FORM = (b"content-type", b"application/x-www-form-urlencoded")
BODY = b'{"status":"success","data":{}}'


class Gateway:
    def __init__(self, app, server, watcher):
        self.app = app
        self.client = AppClient(app)
        self.server = server
        self.watcher = watcher

    async def ask(self, target, who="tenant", *headers, method="GET", body=b""):
        token = (b"x-auth-token", who.encode())
        return await self.client.request(method, target, headers=[token, *headers], body=body)

    async def explain(self, *pairs, who="tenant"):
        response = await self.ask(f"/-/explain?{urlencode(pairs)}", who)
        assert response.status == 200, response.json
        return response.json["data"]

    def received(self):
        """Return name and value of each parameter of the last request to the upstream."""
        head, _, body = self.server.requests[-1].partition(b"\r\n\r\n")
        query = head.split(b" ")[1].partition(b"?")[2]
        return parse_qsl((query + b"&" + body).decode(), keep_blank_values=True)


async def test_an_explanation_can_be_restricted_to_a_project():
    async with gateway() as g:
        header = (b"x-chrysaetos-project", b"B")
        data = (await g.ask("/-/explain?query=up", "admin", header)).json["data"]
        assert data["texts"] == [{"name": "query", "given": "up", "sent": 'up{project="B"}'}]
        assert (data["unrestricted"], data["values"]) == (False, ["B"])
        assert data["rule"] == "telemetry:query:all_projects"  # which let the caller in
        assert (await g.ask("/-/explain?query=up", "tenant", header)).status == 403


@asynccontextmanager
async def gateway(labels=None, limits=None, **options):
    conf = cfg.ConfigOpts()
    conf([])
    async with RawUpstream(answering(answer(BODY))) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        app = create_app(
            GatewayOptions(**options),
            identity=FakeIdentity(CALLERS),
            access=PolicyAccess(conf, "project", *((labels,) if labels else ())),
            upstream=upstream,
            limits=limits,
            observers=[watcher := Watcher()],
        )
        yield Gateway(app, server, watcher)
        await app.close()


# whoami


async def test_other_tasks_run_between_decisions():
    turns = 0

    async def other_requests():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with gateway() as g:
        other = asyncio.create_task(other_requests())
        await g.ask("/-/whoami")
        other.cancel()
    assert turns >= sum(endpoint.guarded for endpoint in ENDPOINTS)


async def test_whoami_for_a_tenant():
    async with gateway() as g:
        response = await g.ask("/-/whoami")
        assert (response.status, response.header(b"content-type")) == (200, b"application/json")
        assert response.header(b"cache-control") == b"no-store"
        assert response.json["status"] == "success"
        data = response.json["data"]
        rules = data.pop("rules")
        assert data == {
            "user": {"id": "u", "name": "uma", "domain_id": "default"},
            "scope": "project",
            "project": {"id": "A", "name": "tenant-a", "domain_id": "default"},
            "domain_id": None,
            "roles": ["reader", "x"],
            "service_roles": [],
            "credential": "token",
            "access_rules": False,
            "expires_at": 1.8e9,
        }
        assert rules["telemetry:query"] == rules["telemetry:targets"] == rules["telemetry:read"] == "project"
        assert rules["telemetry:status"] == rules["telemetry:scrape_pools"] == "none"
        assert rules["telemetry:admin_delete_metrics"] == rules["telemetry:admin_snapshot"] == "none"
        assert len(rules) == sum(endpoint.guarded for endpoint in ENDPOINTS)
        assert g.server.requests == []


@pytest.mark.parametrize(
    ("who", "scope", "reach"),
    [
        ("admin", "project", {"all_projects"}),
        ("stranger", "project", {"none"}),
        ("homeless", "none", {"none"}),
        ("domain", "domain", {"none"}),
        ("system", "system", {"none"}),
    ],
)
async def test_whoami_for_every_kind_of_caller(who, scope, reach):
    async with gateway() as g:
        response = await g.ask("/-/whoami", who)
        data = response.json["data"]
        assert (response.status, data["scope"], set(data["rules"].values())) == (200, scope, reach)
        caller = CALLERS[who]
        assert (data["project"] or {}).get("id") == caller.project_id
        assert data["domain_id"] == caller.domain_id
        assert data["service_roles"] == list(caller.service_roles)
        assert data["expires_at"] is None


async def test_unknown_callers_are_rejected():
    async with gateway() as g:
        for path in ("/-/whoami", "/-/explain?query=up"):
            response = await g.ask(path, "nobody")
            assert (response.status, response.json["errorType"]) == (401, "unauthorized")


def basic(user):
    return b"Basic " + base64.b64encode(f"{user}:hush-hush".encode())


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ([(b"x-auth-token", b"hush-hush")], "token"),
        ([(b"authorization", b"Bearer hush-hush")], "token"),
        ([(b"authorization", basic("0123abc"))], "application_credential"),
        ([(b"authorization", basic("u@d|p@d"))], "password"),
        ([(b"authorization", basic("u@d"))], None),
        ([(b"authorization", b"Basic !")], None),
        ([(b"authorization", b"Digest hush-hush")], None),
        ([(b"x-auth-token", b"a"), (b"x-auth-token", b"hush-hush")], None),
        ([], None),
    ],
)
async def test_whoami_has_the_kind_of_credential_but_no_secret(headers, kind):
    """Without authentication, any credentials are accepted."""

    class Everybody(FakeIdentity):
        def cached(self, _headers):
            return CALLERS["restricted"]

    conf = cfg.ConfigOpts()
    conf([])
    app = create_app(
        GatewayOptions(),
        identity=Everybody({}),
        access=PolicyAccess(conf, "project"),
        upstream=Upstream(UpstreamOptions(host="127.0.0.1", port=1)),
    )
    response = await AppClient(app).request("GET", "/-/whoami", headers=headers)
    assert (response.json["data"]["credential"], response.json["data"]["access_rules"]) == (kind, True)
    assert b"hush" not in response.body
    assert b"0123abc" not in response.body


async def test_whoami_for_a_caller_who_sees_a_domain(monkeypatch):
    async def of_domain(*_):
        return Scope.of("project", "A", "B")

    monkeypatch.setattr(PolicyAccess, "grant", of_domain)
    async with gateway() as g:
        rules = (await g.ask("/-/whoami", "domain")).json["data"]["rules"]
        assert (rules["telemetry:query"], rules["telemetry:status"]) == ("domain", "none")
        data = await g.explain(("query", "up"), who="domain")
        assert data["values"] == ["A", "B"]
        assert data["texts"][0]["sent"] == 'up{project=~"A|B"}'


# explain


async def test_explain_for_a_tenant():
    async with gateway() as g:
        assert await g.explain(("query", "sum(up) # é")) == {
            "endpoint": "query",
            "action": "scope",
            "rule": "telemetry:query",
            "unrestricted": False,
            "label": "project",
            "values": ["A"],
            "texts": [{"name": "query", "given": "sum(up) # é", "sent": 'sum(up{project="A"}) # é'}],
            "budget": {},
            "cost": None,
        }
        assert g.server.requests == []


async def test_explain_for_an_administrator_shows_the_query_unchanged():
    async with gateway() as g:
        for pairs in ([("query", "up{")], [("query", "up{"), ("path", "/api/v1/query/"), ("x", "y")]):
            assert await g.explain(*pairs, who="admin") == {
                "endpoint": "query",
                "action": "scope",
                "rule": "telemetry:query:all_projects",
                "unrestricted": True,
                "label": None,
                "values": [],
                "texts": [{"name": "query", "given": "up{", "sent": "up{"}],
                "budget": {},
                "cost": None,
            }


async def test_each_endpoint_of_the_upstream_can_be_explained():
    async with gateway() as g:
        for endpoint in ENDPOINTS:
            path = endpoint.path.replace("{name}", "vm")
            target = f"/-/explain?path={quote_plus(path)}&query=up&match[]=up"
            for who in ("tenant", "admin"):
                response = await g.ask(target, who)
                if not endpoint.guarded:
                    assert response.status == 400
                    assert "the gateway answers this path itself" in response.json["error"]
                    continue
                real = await g.ask(f"{path}?query=up&match[]=up", who, method=endpoint.methods[0])
                assert (response.status == 403) is (real.status == 403), path
                if response.status == 403:
                    assert response.json == real.json
                    continue
                data = response.json["data"]
                assert (data["endpoint"], data["action"]) == (endpoint.name, endpoint.action.value)
                assert data["unrestricted"] is (who == "admin")
                assert data["rule"] == (endpoint.all_rule if who == "admin" else endpoint.own_rule)


# The recording upstream does not read longer lines.
QUERIES = [query for query in (*HOSTILE, *REFUSED) if len(query) < 10_000]


@pytest.mark.parametrize("who", ["tenant", "admin"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("labels", [None, LabelTable.of({"cpu": "tenant_id"}, ["secret"])], ids=["", "table"])
async def test_the_explained_query_is_the_one_that_is_sent(who, method, labels):
    async with gateway(labels) as g:
        sent = 0
        asked = [("/api/v1/query", [("query", query)]) for query in QUERIES]
        asked += [("/federate", [("match[]", one)]) for one in (*SELECTORS, *QUERIES)]
        asked += [("/api/v1/series", [("match[]", one), ("match[]", "cpu")]) for one in SELECTORS]
        asked += [("/api/v1/labels", []), ("/api/v1/label/vm/values", [])]
        for path, pairs in asked:
            encoded = urlencode([("path", path), *pairs])
            if method == "GET":
                told = await g.ask(f"/-/explain?{encoded}", who)
            else:
                told = await g.ask("/-/explain", who, FORM, method="POST", body=encoded.encode())
            real = await g.ask(f"{path}?{urlencode(pairs)}", who)
            assert told.status == real.status, (path, pairs)
            if told.status != 200:
                assert told.json == real.json
                continue
            texts = told.json["data"]["texts"]
            assert [(one["name"], one["sent"]) for one in texts] == g.received()
            if pairs:
                assert [(one["name"], one["given"]) for one in texts] == pairs
            sent += 1
            told_of, real_of = g.watcher.seen[-2:]
            assert (told_of.texts, told_of.scope, told_of.caller) == (
                real_of.texts, real_of.scope, real_of.caller
            )  # fmt: skip
        assert sent > 20
        assert len(g.server.requests) == sent


async def test_an_invalid_query_is_shown_with_a_caret_as_for_the_query_itself():
    async with gateway(bounds=Bounds(bytes=20)) as g:
        for query in ("sum(up", "1 +" * 10):
            told = await g.ask(f"/-/explain?query={quote_plus(query)}")
            real = await g.ask(f"/api/v1/query?query={quote_plus(query)}")
            assert (told.status, told.json) == (400, real.json)
            assert "^" in told.json["error"]
            assert [one.texts[0].original for one in g.watcher.seen[-2:]] == [query, query]


@pytest.mark.parametrize("path", ["/api/v1/query", "/api/v1/query_cost", "/api/v1/query_range"])
async def test_a_query_with_too_many_points_is_refused_as_the_query_itself(path):
    pairs = {"query": "max_over_time(up[10000d:1s])", "start": 0, "end": 60, "step": 15}
    async with gateway() as g:
        told = await g.ask(f"/-/explain?{urlencode({'path': path, **pairs})}")
        real = await g.ask(f"{path}?{urlencode(pairs)}")
        assert (told.status, told.json) == (400, real.json)
        assert "points per timeseries" in told.json["error"]


async def test_a_range_is_explained_without_times():
    async with gateway() as g:
        data = await g.explain(("path", "/api/v1/query_range"), ("query", "up"))
        assert data["texts"] == [{"name": "query", "given": "up", "sent": 'up{project="A"}'}]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("", 400, 'the parameter "query" is missing'),
        ("query=up&query=up", 400, '"query" is given more than once'),
        ("query=up&path=/api/v1/query&path=/api/v1/query", 400, '"path" is given more than once'),
        ("query=up&path=", 400, 'invalid parameter "path"'),
        ("query=up&path=/nowhere", 400, 'invalid parameter "path"'),
        ("query=up&path=%2Fapi%2Fv1%2F..%2Fquery", 400, 'invalid parameter "path"'),
        ("query=up&path=%FF", 400, "not valid UTF-8"),
        ("query=%zz", 400, "%"),
        ("path=/api/v1/admin/tsdb/delete_series&match[]=up", 403, "telemetry:admin_delete_metrics"),
        ("path=/api/v1/status/config", 403, "telemetry:status_config"),
    ],
)
async def test_invalid_requests_for_explain_are_rejected(query, status, reason):
    async with gateway() as g:
        response = await g.ask(f"/-/explain?{query}")
        assert response.status == status
        assert reason in response.json["error"]
        assert g.server.requests == []


async def test_parameters_are_in_the_url_or_the_body_but_not_repeated():
    async with gateway() as g:
        response = await g.ask(
            "/-/explain?path=/api/v1/series", "tenant", FORM, method="POST", body=b"match[]=up"
        )
        assert [one["sent"] for one in response.json["data"]["texts"]] == ['up{project="A"}']
        twice = await g.ask("/-/explain?query=up", "tenant", FORM, method="POST", body=b"query=up")
        assert twice.status == 400
        twice = await g.ask(
            "/-/explain?path=/federate", "tenant", FORM, method="POST", body=b"path=/federate"
        )
        assert twice.status == 400
        unknown = (b"content-type", b"application/json")
        assert (await g.ask("/-/explain", "tenant", unknown, method="POST", body=b"{}")).status == 415


@pytest.mark.parametrize(("path", "methods"), [("/-/whoami", b"GET"), ("/-/explain", b"GET, POST")])
async def test_other_methods_are_refused(path, methods):
    async with gateway() as g:
        response = await g.ask(path, method="PUT")
        assert (response.status, response.header(b"allow")) == (405, methods)
        assert g.watcher.seen[0].endpoint.path == path


async def test_too_many_parameters_are_rejected_before_they_are_decoded():
    """500,000 of them took 140 ms of the event loop."""
    async with gateway() as g:
        for body in (b"a&" * 500_000, b"path=" + b"%2F" * 300_000):
            began = time.thread_time()
            response = await g.ask("/-/explain", "tenant", FORM, method="POST", body=body)
            assert response.status == 400
            assert time.thread_time() - began < 0.05


async def test_an_explanation_that_is_not_read_counts_as_sent():
    """It may have megabytes, which many clients that do not read would keep in memory."""
    limits = Limits(LimitOptions(max_requests_per_project=2))
    async with gateway(limits=limits) as g:
        stuck = asyncio.Event()

        class Stuck(Answer):
            paused = True

            async def drained(self):
                stuck.set()
                await asyncio.get_running_loop().create_future()

        received = http_request("GET", "/-/explain?query=up", headers=[(b"x-auth-token", b"tenant")])
        task = asyncio.create_task(g.app(received, Stuck()))
        await stuck.wait()
        assert (limits.in_use, limits.sending, limits.running("A")) == (0, 1, 1)
        task.cancel()
        await asyncio.wait([task])
        assert (limits.in_use, limits.sending, limits.running("A")) == (0, 0, 0)
