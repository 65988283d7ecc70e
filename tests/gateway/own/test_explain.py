"""``explain``."""

import asyncio
import time
from urllib.parse import quote_plus, urlencode

import pytest
from tests.e2e.hostile import HOSTILE, REFUSED, SELECTORS
from tests.fakes.app_client import Answer, http_request
from tests.gateway.own.introspected import FORM, gateway

from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.promql.parser import Bounds
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.labels import LabelTable


async def test_an_explanation_can_be_restricted_to_a_project():
    async with gateway() as g:
        header = (b"x-chrysaetos-project", b"B")
        data = (await g.ask("/-/explain?query=up", "admin", header)).json["data"]
        assert data["texts"] == [{"name": "query", "given": "up", "sent": 'up{project="B"}'}]
        assert (data["unrestricted"], data["values"]) == (False, ["B"])
        assert data["rule"] == "telemetry:query:all_projects"  # which let the caller in
        assert (await g.ask("/-/explain?query=up", "tenant", header)).status == 403


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
