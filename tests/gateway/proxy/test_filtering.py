"""Endpoints with filtered responses, operator endpoints and remote read, from request to response."""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, quote_plus, unquote_plus

import pytest
from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.remote_read import EQ, RE, Matcher, query, read_queries
from tests.fakes.upstream import RawUpstream, answer, answering
from tests.support.waiting import until

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.errors import BadGateway, BadRequest
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.filtering import FilteredEndpoints
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.gateway.telemetry.audit import Audit
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.promql.parser import DEFAULT_BOUNDS
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action
from chrysaetos.tenancy.engine import Additions
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import Scope
from chrysaetos.tenancy.snappy import compress, decompress

A = Scope.of("project", "A")
CALLERS = {
    "tenant": Caller(user_id="u", project_id="A", roles=("reader",)),
    "neighbour": Caller(user_id="n", project_id="B", roles=("reader",)),
    "admin": Caller(user_id="a", project_id="X", roles=("admin",)),
    "service": Caller(user_id="w", project_id="X", roles=("service",)),
    "stranger": Caller(user_id="s", project_id="S"),
}
JSON = b"Content-Type: application/json"
TARGETS = {
    "activeTargets": [
        {"labels": {"project": "A"}, "health": "up"},
        {"labels": {"project": "B"}, "health": "secret"},
    ]
}
RULES = {
    "groups": [
        {
            "name": "secret",
            "file": "secret",
            "rules": [
                {"name": "a", "query": 'cpu{project="A"}', "type": "recording"},
                {"name": "b", "query": 'secret{project="B"}', "type": "recording"},
                {
                    "name": "c",
                    "query": "secret",
                    "type": "alerting",
                    "alerts": [
                        {"labels": {"project": "A"}, "state": "firing", "value": "secret"},
                        {"labels": {"project": "B"}, "state": "secret", "value": "1"},
                    ],
                },
            ],
        }
    ]
}
METADATA = {
    "cpu": [{"type": "gauge", "help": "", "unit": ""}],
    "secret": [{"type": "gauge", "help": "", "unit": ""}],
}


def success(data, **more):
    return json.dumps({"status": "success", "data": data, **more}).encode()


ANSWERS = {
    "/api/v1/targets": success(TARGETS),
    "/api/v1/rules": success(RULES, warnings=["secret"]),
    "/api/v1/metadata": success(METADATA),
    "/api/v1/label/__name__/values": success(["cpu"]),
}


async def prometheus(peer):
    """Run as a script that sends the responses in ``ANSWERS``."""
    while True:
        path = (await peer.request()).split(b" ")[1].partition(b"?")[0].decode()
        await peer.send(answer(ANSWERS.get(path, b"{}"), headers=(JSON,)))


class Gateway:
    def __init__(self, app, server):
        self.client = AppClient(app)
        self.server = server

    async def ask(self, target, who="tenant", *headers, method="GET", body=b""):
        token = (b"x-auth-token", who.encode())
        return await self.client.request(method, target, headers=[token, *headers], body=body)

    def lines(self):
        """Return method and target of each request to the upstream."""
        lines = [request.partition(b"\r\n")[0].split(b" ") for request in self.server.requests]
        return [(method.decode(), unquote_plus(target.decode())) for method, target, _ in lines]


@asynccontextmanager
async def gateway(script=prometheus, policy="{}", tmp_path=None, observers=(), **options):
    conf = cfg.ConfigOpts()
    conf([])
    if tmp_path is not None:
        (tmp_path / "policy.yaml").write_text(policy)
        (tmp_path / "aetos.conf").write_text(f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")
        conf(["--config-file", str(tmp_path / "aetos.conf")])
    async with RawUpstream(script) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        app = create_app(
            GatewayOptions(**options),
            identity=FakeIdentity(CALLERS),
            access=PolicyAccess(conf, "project"),
            upstream=upstream,
            coalescer=Coalescer(),
            observers=observers,
        )
        yield Gateway(app, server)
        assert upstream.in_use == 0
        await app.close()


async def test_a_tenant_gets_its_targets():
    async with gateway() as g:
        response = await g.ask("/api/v1/targets")
        assert (response.status, response.complete) == (200, True)
        assert response.json["status"] == "success"
        assert [one["health"] for one in response.json["data"]["activeTargets"]] == ["up"]
        assert response.header(b"content-type") == b"application/json"
        assert response.header(b"content-length") == b"%d" % len(response.body)
        assert response.header(b"cache-control") == b"no-store"
        assert g.lines() == [("GET", "/api/v1/targets?state=active")]


async def test_a_tenant_gets_its_rules():
    async with gateway() as g:
        response = await g.ask("/api/v1/rules?type=record&group_limit=5")
        (group,) = response.json["data"]["groups"]
        assert [rule["name"] for rule in group["rules"]] == ["a"]
        assert b"secret" not in response.body
        assert g.lines() == [("GET", "/api/v1/rules")]


async def test_a_tenant_gets_its_alerts():
    async with gateway() as g:
        response = await g.ask("/api/v1/alerts")
        alerts = [{"labels": {"project": "A"}, "state": "firing", "value": "NaN", "annotations": {}}]
        assert response.json == {"status": "success", "data": {"alerts": alerts}}
        assert g.lines() == [("GET", "/api/v1/rules?type=alert")]


async def test_a_tenant_gets_the_metadata_of_its_metrics():
    async with gateway() as g:
        response = await g.ask("/api/v1/metadata?limit=5&metric=cpu%26x")
        assert response.json == {"status": "success", "data": {}}
        assert (await g.ask("/api/v1/metadata")).json["data"] == {"cpu": METADATA["cpu"]}
        names = ("GET", '/api/v1/label/__name__/values?match[]={project="A"}')
        assert g.lines() == [
            names,
            ("GET", "/api/v1/metadata?metric=cpu&x"),
            names,
            ("GET", "/api/v1/metadata"),
        ]
        assert b"metric=cpu%26x" in g.server.requests[1]


async def test_requests_of_all_scopes_share_the_upstreams_response():
    ready = asyncio.Event()

    async def slow(peer):
        await peer.request()
        await ready.wait()
        await peer.send(answer(success(TARGETS), headers=(JSON,)))

    async with gateway(slow) as g:
        callers = ["tenant", "neighbour", "tenant"]
        tasks = [asyncio.create_task(g.ask("/api/v1/targets", who)) for who in callers]
        await until(lambda: g.server.requests)
        tasks.append(asyncio.create_task(g.ask("/api/v1/targets?state=active")))
        tasks[0].cancel()
        await asyncio.sleep(0.1)
        ready.set()
        responses = await asyncio.gather(*tasks[1:])
        shown = [response.json["data"]["activeTargets"] for response in responses]
        assert [[target["health"] for target in targets] for targets in shown] == [["secret"], ["up"], ["up"]]
        assert g.lines() == [("GET", "/api/v1/targets?state=active")]


async def test_a_response_that_nobody_waits_for_is_aborted():
    gone = []

    async def silent(peer):
        await peer.request()
        await peer.gone()
        gone.append(peer)

    async with gateway(silent) as g:
        for _ in range(2):
            tasks = [asyncio.create_task(g.ask("/api/v1/rules", who)) for who in ("tenant", "neighbour")]
            await until(lambda: g.server.requests)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await until(lambda: gone)
            g.server.requests.clear()
            gone.clear()


async def test_responses_for_other_tenants_of_the_engine_are_not_shared():
    endpoint = find_path("/api/v1/targets").endpoint
    async with RawUpstream(prometheus) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        filtered = filtering(upstream, limit=10_000)
        tenants = [Additions(headers=((b"x-scope-orgid", name),)) for name in (b"A", b"B", b"A")]
        await asyncio.gather(*(filtered.handle(endpoint, A, "A", b"", tenant) for tenant in tenants))
        sent = sorted(request.lower().partition(b"x-scope-orgid: ")[2][:1] for request in server.requests)
        assert sent == [b"a", b"b"]
        await upstream.close()


async def test_each_scope_of_metadata_is_encoded_once(monkeypatch):
    encoded = []

    def recorded(text):
        encoded.append(text)
        return quote_plus(text)

    monkeypatch.setattr("chrysaetos.gateway.proxy.filtering.quote_plus", recorded)
    async with gateway() as g:
        for who in ("tenant", "neighbour") * 2:
            assert (await g.ask("/api/v1/metadata", who)).status == 200
        asked = [target for _, target in g.lines() if "__name__" in target]
    assert encoded == ['{project="A"}', '{project="B"}']
    assert asked == [f"/api/v1/label/__name__/values?match[]={selector}" for selector in encoded * 2]


@pytest.mark.parametrize("path", ["/api/v1/targets", "/api/v1/rules", "/api/v1/alerts", "/api/v1/metadata"])
async def test_an_admin_gets_prometheus_response_unfiltered(path):
    async with gateway() as g:
        response = await g.ask(f"{path}?x=1&match[]=a", "admin")
        assert response.body == ANSWERS.get(path, b"{}")
        assert g.lines() == [("GET", f"{path}?x=1&match[]=a")]
        assert (await g.ask(path, "stranger")).status == 403


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/rules?match[]=up",
        "/api/v1/rules?type=x",
        "/api/v1/rules?type=alert&type=record",
        "/api/v1/rules?group_limit=-1",
        "/api/v1/targets?state=x",
        "/api/v1/metadata?limit=x",
    ],
)
async def test_an_invalid_parameter_is_rejected(target):
    async with gateway() as g:
        response = await g.ask(target)
        assert (response.status, response.json["errorType"]) == (400, "bad_data")


async def test_the_upstream_request_allows_no_unknown_encoding():
    async with gateway() as g:
        await g.ask("/api/v1/targets", "tenant", (b"accept-encoding", b"gzip"))
        assert b"accept-encoding: identity\r\n" in g.server.requests[0].lower()


@pytest.mark.parametrize("who", ["tenant", "admin"])
@pytest.mark.parametrize("path", ["/api/v1/targets", "/api/v1/rules", "/api/v1/alerts", "/api/v1/metadata"])
async def test_an_endpoint_that_the_engine_lacks_is_not_found(caplog, path, who):
    page = answer(b"404 page not found\n", status=b"404 Not Found")
    async with gateway(answering(page), engine_name="Mimir") as g:
        response = await g.ask(path, who)
        assert (response.status, response.json["errorType"]) == (404, "not_found")
        assert response.json["error"].startswith(f"Mimir does not serve {path}: ")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


GOOD = success(TARGETS)


@pytest.mark.parametrize(
    "sent",
    [
        answer(gzip.compress(GOOD), headers=(JSON, b"Content-Encoding: gzip")),
        answer(gzip.compress(GOOD), headers=(JSON,)),
        answer(b"", headers=(JSON,)),
        answer(GOOD[:-1], headers=(JSON,)),
        answer(GOOD + b"{}", headers=(JSON,)),
        answer(b"\xff" + GOOD, headers=(JSON,)),
        answer(b"null", headers=(JSON,)),
        answer(b"[]", headers=(JSON,)),
        answer(b"{}", headers=(JSON,)),
        answer(b'{"status":"success"}', headers=(JSON,)),
        answer(b'{"status":"error","error":"secret"}', headers=(JSON,)),
        answer(GOOD.replace(b'"data"', b'"data":{},"data"'), headers=(JSON,)),
        answer(GOOD.replace(b'"up"', b'NaN'), headers=(JSON,)),
        answer(success({"activeTargets": [{"labels": {"project": "A"}, "lastScrapeDuration": 9}]}).replace(
            b"9", b"1e999"), headers=(JSON,)),
        answer(success({"activeTargets": "secret"}), headers=(JSON,)),
        answer(b"[" * 100_000, headers=(JSON,)),
        answer(b'{"status":"success","data":' + b"1" * 5000 + b"}", headers=(JSON,)),
        answer(b'{"status":"error","error":"secret"}', status=b"422 No", headers=(JSON,)),
        answer(b"secret", status=b"500 Internal Server Error"),
        answer(b"", status=b"302 Found", headers=(b"Location: http://secret/",)),
        answer(b"secret", status=b"401 No"),
        answer(GOOD, status=b"206 Partial Content", headers=(JSON,)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsecre\r\n0;x",
    ],
    ids=range(23),
)  # fmt: skip
async def test_an_invalid_response_is_not_relayed(sent, caplog):
    async def once(peer):
        await peer.request()
        await peer.send(sent)
        peer.close()

    async with gateway(once) as g:
        response = await g.ask("/api/v1/targets")
        assert (response.status, response.json["errorType"]) == (502, "bad_gateway")
        assert b"secret" not in response.body
        assert "cannot filter the response" in caplog.text


async def test_a_prometheus_that_is_not_ready_is_unavailable():
    async with gateway(answering(answer(b"secret", status=b"503 Not Ready"))) as g:
        response = await g.ask("/api/v1/rules")
        assert (response.status, response.header(b"retry-after")) == (503, b"1")
        assert b"secret" not in response.body


async def test_a_refused_response_releases_its_connection():
    async def unfinished(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nsecre")
        await peer.gone()

    async with gateway(unfinished) as g:
        assert (await g.ask("/api/v1/targets")).status == 502


def filtering(upstream, limit):
    offload = Offload(CpuBudget(0), timeout=5)  # without a budget, short jobs never start a process
    return FilteredEndpoints(upstream, timeout=5, bounds=DEFAULT_BOUNDS, limit=limit, offload=offload)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_response_over_the_limit_is_not_read(chunked):
    if chunked:
        piece = b"1000\r\n" + b" " * 4096 + b"\r\n"
        sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + piece * 40
    else:
        sent = answer(b" " * 160_000)
    async with RawUpstream(answering(sent)) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        filtered = filtering(upstream, limit=100_000)
        with pytest.raises(BadGateway):
            await filtered.handle(find_path("/api/v1/targets").endpoint, A, "A", b"")
        assert upstream.in_use == 0
        await upstream.close()


async def test_the_limit_on_filtered_responses_is_configurable():
    script = answering(answer(success(TARGETS | {"x": "y" * 70_000}), headers=(JSON,)))
    for limit, status in ((1 << 20, 200), (1 << 16, 502)):
        async with gateway(script, max_filtered_bytes=limit) as g:
            assert (await g.ask("/api/v1/targets")).status == status


async def test_a_long_response_is_filtered_without_blocking_other_requests():
    many = {"activeTargets": TARGETS["activeTargets"] * 5000}
    async with gateway(answering(answer(success(many), headers=(JSON,)))) as g:
        response = await g.ask("/api/v1/targets")
        assert len(response.json["data"]["activeTargets"]) == 5000
        refused = await g.ask("/api/v1/targets?state=x")
        assert refused.status == 400


async def test_only_responses_with_a_filter_are_filtered():
    for endpoint in ENDPOINTS:
        if endpoint.action is Action.FILTER:
            async with gateway() as g:
                assert (await g.ask(endpoint.path)).status == 200
    async with RawUpstream(prometheus) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        filtered = filtering(upstream, limit=1000)
        with pytest.raises(LookupError):
            await filtered.handle(find_path("/api/v1/query").endpoint, A, "A", b"")
        with pytest.raises(BadRequest):
            await filtered.handle(find_path("/api/v1/rules").endpoint, A, "A", b"type=x")
        await upstream.close()


OPERATORS = [endpoint for endpoint in ENDPOINTS if endpoint.action is Action.OPERATOR]


@pytest.mark.parametrize("endpoint", OPERATORS, ids=lambda endpoint: endpoint.name)
async def test_operator_endpoints_reject_tenants(endpoint):
    async with gateway() as g:
        for method in endpoint.methods:
            assert (await g.ask(endpoint.path, "tenant", method=method)).status == 403
            assert g.server.requests == []
        for method in endpoint.methods:
            assert (await g.ask(f"{endpoint.path}?a=b", "admin", method=method)).status == 200
            assert g.lines()[-1] == (method, f"{endpoint.path}?a=b")


async def test_no_policy_admits_a_tenant_to_operator_endpoints(monkeypatch):
    async def own(*_):
        return A

    monkeypatch.setattr(PolicyAccess, "grant", own)
    async with gateway() as g:
        for endpoint in OPERATORS:
            for method in endpoint.methods:
                assert (await g.ask(endpoint.path, method=method)).status == 403
        assert g.server.requests == []


DELETE = "/api/v1/admin/tsdb/delete_series"
FORM = (b"content-type", b"application/x-www-form-urlencoded")
OWN_DELETE = '"telemetry:admin_delete_metrics:own_project": "role:reader"'


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_tenant_allowed_to_delete_deletes_only_its_own_series(method, tmp_path):
    async with gateway(policy=OWN_DELETE, tmp_path=tmp_path) as g:
        assert (await g.ask(f"{DELETE}?match[]=up&start=1", method=method)).status == 200
        body = g.server.requests[-1].partition(b"\r\n\r\n")[2].decode()
        assert g.lines() == [(method, DELETE)]
        assert parse_qsl(body) == [("match[]", 'up{project="A"}'), ("start", "1")]
        assert (await g.ask(DELETE, "tenant", FORM, method=method, body=b"match[]=cpu")).status == 200
        assert g.server.requests[-1].endswith(b"\r\n\r\nmatch%5B%5D=cpu%7Bproject%3D%22A%22%7D")
        for body in (b"", b"start=1", b"match=up"):
            assert (await g.ask(DELETE, "tenant", FORM, method=method, body=body)).status == 400
        assert len(g.server.requests) == 2


@pytest.mark.parametrize("who", ["tenant", "service", "stranger"])
@pytest.mark.parametrize("name", ["delete_series", "clean_tombstones", "snapshot"])
async def test_only_admins_change_anything(who, name):
    async with gateway() as g:
        for method in ("POST", "PUT"):
            assert (await g.ask(f"/api/v1/admin/tsdb/{name}?match[]=up", who, method=method)).status == 403
        assert (await g.ask(f"/api/v1/admin/tsdb/{name}", "admin")).status == 405
        assert g.server.requests == []


async def test_a_change_is_sent_once_and_its_empty_response_relayed():
    async with gateway(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as g:
        response = await g.ask(f"{DELETE}?match[]=up&match[]=cpu", "admin", method="POST")
        assert (response.status, response.body, response.complete) == (204, b"", True)
        assert g.lines() == [("POST", f"{DELETE}?match[]=up&match[]=cpu")]


@pytest.mark.parametrize("name", ["delete_series", "clean_tombstones", "snapshot"])
async def test_a_change_without_a_response_is_not_retried(name):
    async def dies(peer):
        await peer.request()
        peer.close()

    async with gateway(dies) as g:
        response = await g.ask(f"/api/v1/admin/tsdb/{name}?match[]=up", "admin", method="POST")
        assert response.status == 502
        assert len(g.server.requests) == 1


READ = (
    (b"content-type", b"application/x-protobuf"),
    (b"content-encoding", b"snappy"),
    (b"x-prometheus-remote-read-version", b"0.1.0"),
)
CPU = Matcher(EQ, "__name__", "cpu")


@pytest.mark.parametrize("who", ["tenant", "admin"])
async def test_a_remote_read_is_scoped(who):
    sent = answer(
        b"\x00",
        headers=(b"Content-Type: application/x-protobuf", b"Content-Encoding: snappy"),
    )
    async with gateway(answering(sent)) as g:
        body = compress(query([CPU], 1, 2))
        response = await g.ask("/api/v1/read", who, *READ, method="POST", body=body)
        assert (response.status, response.body) == (200, b"\x00")
        assert response.header(b"content-encoding") == b"snappy"
        head, _, got = g.server.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /api/v1/read HTTP/1.1\r\n")
        for name, value in READ:
            assert b"\r\n%b: %b" % (name, value) in head
        own = [Matcher(RE, "project", "A")] if who == "tenant" else []
        assert read_queries(decompress(got, 10_000)) == [[CPU, *own]]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (READ, b"", 400),
        (READ, b"x", 400),
        (READ, compress(b"\x18\x01"), 400),
        (READ, b"\xff\xff\xff\xff\x0f", 413),
        (READ, b"x" * 5000, 413),
        ((FORM,), b"query=up", 415),
        (READ[:1], compress(b""), 415),
        ((READ[1], FORM), compress(b""), 415),
        ((READ[0], (b"content-encoding", b"gzip")), compress(b""), 415),
        ((), b"", 415),
    ],
)
async def test_an_invalid_remote_read_does_not_reach_the_upstream(headers, body, status):
    async with gateway(max_body_bytes=4000) as g:
        assert (await g.ask("/api/v1/read", "tenant", *headers, method="POST", body=body)).status == status
        assert g.server.requests == []


async def test_the_limit_on_remote_reads_is_configurable():
    body = compress(query([Matcher(EQ, "vm", "x" * 2000)], 1, 2))
    for limit, status in ((4000, 200), (2000, 413)):
        async with gateway(answering(answer(b"")), max_read_bytes=limit) as g:
            assert (await g.ask("/api/v1/read", "tenant", *READ, method="POST", body=body)).status == status


@pytest.mark.parametrize("who", ["tenant", "admin"])
async def test_the_matchers_of_a_remote_read_are_audited(who):
    lines = []

    class Writer(Audit):
        def on_end(self, exchange):
            lines.append(self.line(exchange))

    async with gateway(answering(answer(b"")), observers=[Writer(max_text=30)]) as g:
        body = compress(query([CPU], 1, 2) + query([Matcher(EQ, "vm", "x" * 50)], 1, 2))
        assert (await g.ask("/api/v1/read", who, *READ, method="POST", body=body)).status == 200
    own = r",project=~\"A\"" if who == "tenant" else ""
    longest = r"{vm=\"" + "x" * 25
    assert lines[0].count(r'query="{__name__=\"cpu\"}"') == 1
    assert rf'scoped="{{__name__=\"cpu\"{own}' in lines[0]
    assert lines[0].count(f'="{longest}...[') == 2


async def test_a_remote_read_must_be_a_post():
    async with gateway() as g:
        assert (await g.ask("/api/v1/read")).status == 405
        assert (await g.ask("/api/v1/read", "stranger", *READ, method="POST")).status == 403
