"""The whole application, with real connections to a scripted upstream."""

import asyncio
import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from oslo_config import cfg
from tests.fakes.asgi import AsgiClient, shut_down
from tests.fakes.identity import FakeIdentity
from tests.fakes.upstream import RawUpstream, answer, answering, silence

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.own.openapi import document
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.cpu_budget import CpuBudget
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.offload import Offload
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.proxy.scoping import Scoping
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.promql.parser import Bounds

CALLERS = {
    "tenant": Caller(user_id="u", project_id="A", roles=("reader",)),
    "admin": Caller(user_id="a", project_id="X", roles=("admin",)),
    "stranger": Caller(user_id="s", project_id="S"),
    "homeless": Caller(user_id="h", roles=("admin", "reader")),
}
FORM = (b"content-type", b"application/x-www-form-urlencoded")
BODY = b'{"status":"success","data":{}}'
ANSWER = answer(
    BODY,
    headers=(
        b"Content-Type: application/json",
        b"Set-Cookie: a=b",
        b"X-Project-Id: B",
        b"Location: http://elsewhere/",
        b"Server: Prometheus",
    ),
)


def token(name):
    return (b"x-auth-token", name.encode())


class Watcher:
    """An observer that records its calls."""

    def __init__(self):
        self.at_work = 0
        self.seen = []

    def on_start(self, exchange):
        self.at_work += 1
        assert exchange.status == 0

    def on_end(self, exchange):
        self.at_work -= 1
        self.seen.append(exchange)


async def until(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


class Gateway:
    def __init__(self, app, identity, upstream, server, watcher):
        self.app = app
        self.identity = identity
        self.upstream = upstream
        self.server = server
        self.watcher = watcher
        self.client = AsgiClient(app)

    async def get(self, target, who="tenant", *headers, method="GET", **more):
        return await self.client.request(method, target, headers=[token(who), *headers], **more)

    async def post(self, target, body, who="tenant", *headers):
        return await self.get(target, who, FORM, *headers, method="POST", body=[body])

    async def reached(self):
        """Wait until a request has reached the upstream."""
        await until(lambda: self.server.requests)

    def asked(self):
        """Return request line, headers and body of the last request to the upstream."""
        head, _, body = self.server.requests[-1].partition(b"\r\n\r\n")
        line, *headers = head.split(b"\r\n")
        return line, {name.lower(): value for name, _, value in (h.partition(b": ") for h in headers)}, body


@asynccontextmanager
async def gateway(script=None, *, limits=None, offload=None, coalescer=None, **options):
    conf = cfg.ConfigOpts()
    conf([])
    async with RawUpstream(script or answering(ANSWER)) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        identity = FakeIdentity(CALLERS)
        app = create_app(
            GatewayOptions(**options),
            identity=identity,
            access=PolicyAccess(conf, "project"),
            upstream=upstream,
            limits=limits,
            offload=offload,
            coalescer=coalescer,
            observers=[watcher := Watcher()],
        )
        yield Gateway(app, identity, upstream, server, watcher)
        assert upstream.in_use == 0
        assert watcher.at_work == 0
        await shut_down(app)


def pairs(query):
    return parse_qsl(query.decode())


async def test_a_tenants_query_is_scoped_and_the_response_relayed():
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up&time=1")
        assert (response.status, response.body, response.complete) == (200, BODY, True)
        line, _, _ = g.asked()
        method, target, _ = line.split(b" ")
        path, _, query = target.partition(b"?")
        assert (method, path) == (b"GET", b"/api/v1/query")
        assert pairs(query) == [("query", 'up{project="A"}'), ("time", "1")]


@pytest.mark.parametrize(("token", "scope"), [("tenant", b"restricted"), ("admin", b"all")])
async def test_only_harmless_response_headers_are_relayed(token, scope):
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up", token)
        assert response.headers[:-1] == [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(BODY)),
            (b"cache-control", b"no-store"),
            (b"x-chrysaetos-scope", scope),
        ]
        assert response.headers[-1][0] == b"x-openstack-request-id"


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


async def test_an_admins_request_is_not_scoped():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up&stats=all", "admin")
        line, _, _ = g.asked()
        assert line.split(b" ")[1] == b"/api/v1/query?query=up&stats=all"


def narrow(project):
    return (b"x-chrysaetos-project", project)


async def test_an_admins_request_can_be_restricted_to_a_project():
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up", "admin", narrow(b"B"))
        assert pairs(g.asked()[0].split(b" ")[1].partition(b"?")[2]) == [("query", 'up{project="B"}')]
        sent = dict(response.headers)
        assert (sent[b"x-chrysaetos-scope"], sent[b"x-chrysaetos-project"]) == (b"restricted", b"B")
        assert g.watcher.seen[-1].scope.values == ("B",)
        # A response that was filtered, and one to which nothing was added.
        await g.get("/api/v1/series?match[]=up", "admin", narrow(b"C"))
        assert b"project%3D%22C%22" in g.asked()[0]
        assert b"x-chrysaetos-project" not in dict((await g.get("/api/v1/query?query=up", "admin")).headers)


@pytest.mark.parametrize(
    ("who", "path", "projects", "status"),
    [
        ("tenant", "/api/v1/query?query=up", [b"A"], 200),
        ("tenant", "/api/v1/query?query=up", [b"B"], 403),
        ("stranger", "/api/v1/query?query=up", [b"S"], 403),
        ("admin", "/api/v1/query?query=up", [b""], 400),
        ("admin", "/api/v1/query?query=up", [b"A,B"], 400),
        ("admin", "/api/v1/query?query=up", [b"A B"], 400),
        ("admin", "/api/v1/query?query=up", [b"A\xff"], 400),
        ("admin", "/api/v1/query?query=up", [b"x" * 256], 400),
        ("admin", "/api/v1/query?query=up", [b"A", b"A"], 400),
        ("admin", "/api/v1/query?query=up", [b"A", b""], 400),
        ("admin", "/api/v1/status/config", [b"A"], 400),
        ("admin", "/api/v1/targets", [b"A"], 200),
        ("admin", "/federate?match[]=up", [b"A"], 200),
    ],
)
async def test_a_request_never_sees_more_than_the_project_it_names(who, path, projects, status):
    async with gateway() as g:
        response = await g.get(path, who, *map(narrow, projects))
        assert response.status == status
        assert bool(g.server.requests) == (status == 200)


async def test_an_id_cannot_leave_its_matcher():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up", "admin", narrow(b'A"}or{project=~".*'))
        sent = pairs(g.asked()[0].split(b" ")[1].partition(b"?")[2])
        assert sent == [("query", 'up{project="A\\"}or{project=~\\".*"}')]


async def test_a_form_is_scoped_and_sent_as_a_form():
    async with gateway() as g:
        response = await g.post("/api/v1/query_range/", b"query=up&start=1&end=2&step=1s")
        assert response.status == 200
        line, headers, body = g.asked()
        assert line.split(b" ")[:2] == [b"POST", b"/api/v1/query_range"]
        assert headers[b"content-type"] == FORM[1]
        assert pairs(body) == [("query", 'up{project="A"}'), ("start", "1"), ("end", "2"), ("step", "1s")]


async def test_a_dashboards_query_over_all_of_900_names_fits():
    names = "|".join(f"{number:08x}-6f70-656e-7374-61636b000000" for number in range(900))
    query = " + ".join(f'sum(rate({name}{{uuid=~"{names}"}}[5m]))' for name in ("cpu", "net", "disk", "mem"))
    body = urlencode({"query": query, "time": "1"}).encode()
    assert 128 * 1024 < len(query) < len(body) < 256 * 1024
    async with gateway() as g:
        response = await g.post("/api/v1/query", body)
        assert response.status == 200
        assert pairs(g.asked()[2])[0] == ("query", query.replace("{", '{project="A",'))


async def test_a_form_may_arrive_in_pieces_and_have_a_charset():
    async with gateway() as g:
        header = (b"content-type", b"Application/X-WWW-Form-Urlencoded; charset=UTF-8")
        await g.get("/api/v1/query", "tenant", header, method="POST", body=[b"que", b"ry=", b"1"])
        assert g.asked()[2] == b"query=1"


async def test_a_cached_token_is_not_validated_again():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up")
        g.identity.warm.add("tenant")
        await g.get("/api/v1/query?query=up")
        assert g.identity.asked == [("GET", "/api/v1/query")]


@pytest.mark.parametrize(
    ("method", "target", "who", "status", "error_type"),
    [
        ("GET", "/api/v1/query?query=up", "nobody", 401, "unauthorized"),
        ("GET", "/api/v1/query?query=up", "stranger", 403, "forbidden"),
        ("GET", "/api/v1/query?query=up", "homeless", 403, "forbidden"),
        ("GET", "/api/v1/query?query=up(", "tenant", 400, "bad_data"),
        ("GET", "/api/v1/query", "tenant", 400, "bad_data"),
        ("POST", "/api/v1/write", "admin", 404, "not_found"),
        ("GET", "/-/reload", "admin", 404, "not_found"),
        ("PUT", "/api/v1/query", "admin", 405, "bad_data"),
        ("GET", "/api/v1/query?" + "x" * 3000, "tenant", 414, "bad_data"),
    ],
)
async def test_rejected_requests_do_not_reach_the_upstream(method, target, who, status, error_type):
    async with gateway(max_url_bytes=2000) as g:
        response = await g.get(target, who, method=method)
        assert response.status == status
        assert response.json["status"] == "error"
        assert response.json["errorType"] == error_type
        assert response.json["error"]
        assert g.server.requests == []


async def test_unknown_paths_and_methods_are_rejected_before_authentication():
    async with gateway() as g:
        assert (await g.get("/nowhere", "nobody")).status == 404
        response = await g.get("/api/v1/query", "nobody", method="DELETE")
        assert (response.status, response.header(b"allow")) == (405, b"GET, POST")
        assert g.identity.asked == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([(b"content-type", b"application/json")], [b"{}"], 415),
        ([], [b"query=1"], 415),
        ([FORM, (b"content-length", b"101")], [b"x"], 413),
        ([FORM, (b"content-length", b"9" * 30)], [b"x"], 413),
        ([FORM, (b"content-length", b"1x")], [b"x"], 400),
        ([FORM], [b"x" * 60, b"x" * 60], 413),
    ],
)
async def test_a_body_that_is_not_a_form_or_too_long_is_rejected(headers, body, status):
    async with gateway(max_body_bytes=100) as g:
        response = await g.get("/api/v1/query?query=1", "tenant", *headers, method="POST", body=body)
        assert response.status == status
        assert g.server.requests == []


async def test_a_post_without_a_body_needs_no_content_type():
    async with gateway() as g:
        assert (await g.get("/api/v1/query?query=1", method="POST")).status == 200


async def test_a_client_that_disconnects_in_its_body_gets_no_response():
    async with gateway() as g:
        response = await g.get("/api/v1/query", "tenant", FORM, method="POST", body=[b"x"], disconnect=True)
        assert response.status == 0


async def test_the_limits_on_a_query_are_options():
    async with gateway(bounds=Bounds(bytes=5)) as g:
        response = await g.get("/api/v1/query?query=1+%2B+1+%2B+1")
        assert response.status == 400
        assert "longer than 5 bytes" in response.json["error"]


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


async def test_a_rejected_method_is_observed_with_its_endpoint():
    async with gateway() as g:
        await g.get("/api/v1/label/vm/values", method="DELETE")
        await g.get("/healthcheck", method="OPTIONS")
        assert [(one.status, one.endpoint.name) for one in g.watcher.seen] == [
            (405, "label"),
            (405, "healthcheck"),
        ]


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


async def cut(peer):
    """Run as a script that cuts off the body of a response."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await asyncio.sleep(0.05)
    peer.close()


async def test_a_response_that_is_cut_off_is_left_incomplete():
    async with gateway(cut) as g:
        response = await g.get("/api/v1/query?query=up")
        assert response.status == 200
        assert response.body == b"half"
        assert not response.complete


async def test_a_long_response_is_streamed():
    pieces = [b"x" * 70_000, b"y" * 70_000]

    async def slow(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 140000\r\n\r\n", *pieces)
        await peer.gone()

    async with gateway(slow) as g:
        response = await g.get("/api/v1/query?query=up")
        assert response.complete
        assert response.body == b"".join(pieces)
        assert len(response.pieces) > 2


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


async def test_an_internal_error_has_no_details(caplog):
    async with gateway() as g:
        g.identity.warm.add("unknown")  # makes the fake fail with a KeyError
        response = await g.get("/api/v1/query?query=up", "unknown")
        assert response.status == 500
        assert response.json["errorType"] == "internal"
        assert "unknown" not in response.json["error"]
        assert "KeyError" in caplog.text


async def test_the_prefix_of_the_catalog_is_removed():
    async with gateway(path_prefix="/metric-storage") as g:
        assert (await g.get("/metric-storage/api/v1/query?query=up")).status == 200
        assert g.asked()[0].startswith(b"GET /api/v1/query?")
        assert g.identity.asked == [("GET", "/api/v1/query")]
        for path in (
            "/api/v1/query?query=up",
            "/metric-storagex/api/v1/query",
            "/metric-storage//api/v1/query",
        ):
            assert (await g.get(path)).status == 404
            assert g.watcher.seen[-1].path in {path.partition("?")[0], path.removeprefix("/metric-storage")}
        document = (await g.get("/metric-storage", "nobody", (b"host", b"cloud:443"))).json
        href = document["versions"]["values"][0]["links"][0]["href"]
        assert href == "http://cloud:443/metric-storage/api/v1"


@pytest.mark.parametrize("host", [b"", b"a/b", b"a b", b"<script>", b"x" * 300])
async def test_an_invalid_host_is_not_repeated(host):
    async with gateway() as g:
        document = (await g.get("/", "nobody", (b"host", host))).json
        assert document["versions"]["values"][0]["links"][0]["href"] == "/api/v1"


async def test_the_openapi_document_requires_no_credentials():
    async with gateway(path_prefix="/metric-storage") as g:
        response = await g.get("/metric-storage/openapi.json", "nobody")
        assert (response.status, response.json) == (200, document("/metric-storage"))
        assert response.header(b"content-type") == b"application/json"
        head = await g.get("/metric-storage/openapi.json", "nobody", method="HEAD")
        assert (head.body, head.header(b"content-length")) == (b"", response.header(b"content-length"))
        assert (g.identity.asked, g.server.requests) == ([], [])


@pytest.mark.parametrize("path", ["/healthcheck", "/-/healthy", "/-/ready"])
async def test_health_is_served_with_and_without_the_prefix(path):
    async with gateway(path_prefix="/metric-storage") as g:
        assert (await g.get(f"/metric-storage{path}", "nobody")).status == 200
        assert (await g.get(path, "nobody")).status == 200
        for other in ("/openapi.json", "/api/v1/query?query=up", f"{path}/x", f"/other{path}"):
            assert (await g.get(other)).status == 404


@pytest.mark.parametrize("path", ["/healthcheck", "/-/healthy"])
async def test_the_health_endpoint_requires_no_credentials(path):
    async with gateway() as g:
        response = await g.get(path, "nobody")
        assert (response.status, response.body) == (200, b"OK")
        head = await g.get(path, "nobody", method="HEAD")
        assert (head.status, head.body, head.header(b"content-length")) == (200, b"", b"2")
        assert g.server.requests == []


async def test_the_gateway_is_ready_when_keystone_and_prometheus_are():
    async with gateway() as g:
        response = await g.get("/-/ready", "nobody")
        assert response.status == 200
        assert response.json == {"ready": True, "keystone": "ok", "prometheus": "ok"}
        await asyncio.gather(*(g.get("/-/ready", "nobody") for _ in range(10)))
        assert len(g.server.requests) == 1


async def test_the_readiness_response_names_the_part_that_is_not_ready():
    async with gateway(answering(answer(b"", status=b"503 Service Unavailable"))) as g:
        g.identity.reachable = False
        response = await g.get("/-/ready", "nobody")
        assert response.status == 503
        assert response.json == {
            "ready": False,
            "keystone": "Keystone cannot be reached",
            "prometheus": "Prometheus returned 503",
        }


async def test_a_prometheus_that_cannot_be_reached_is_not_ready():
    async with gateway() as g:
        await g.upstream.close()
        response = await g.get("/-/ready", "nobody")
        assert (response.status, response.json["prometheus"]) == (503, "Prometheus cannot be reached")


async def test_shutdown_closes_all_connections():
    async with gateway() as g:
        await g.get("/api/v1/query?query=up")
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message["type"])

        await g.app({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert g.identity.closed
        assert g.upstream.idle == 0


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


async def test_a_project_at_its_limit_does_not_block_others():
    release = asyncio.Event()

    async def held(peer):
        while True:
            request = await peer.request()
            if b"slow" in request:
                await release.wait()
            await peer.send(ANSWER)

    limits = Limits(LimitOptions(max_requests_per_project=1, max_waiting_per_project=0))
    async with gateway(held, limits=limits) as g:
        slow = asyncio.create_task(g.get("/api/v1/query?query=slow"))
        await g.reached()
        refused = await g.get("/api/v1/query?query=up")
        assert refused.status == 429
        assert refused.header(b"retry-after")
        assert "max_requests_per_project" in refused.json["error"]
        assert (await g.get("/api/v1/query?query=up", "admin")).status == 200
        release.set()
        assert (await slow).status == 200
        assert (await g.get("/api/v1/query?query=up")).status == 200
        assert limits.in_use == 0


async def test_a_request_that_has_no_slot_is_not_scoped(monkeypatch):
    monkeypatch.setattr(Scoping, "bind", lambda *_: pytest.fail("scoped"))
    limits = Limits(LimitOptions(max_requests_per_project=1, max_waiting_per_project=0))
    limits.try_acquire("A")
    async with gateway(limits=limits) as g:
        for path in ("/api/v1/query", "/-/explain"):
            assert (await g.get(f"{path}?query=up")).status == 429
        assert g.server.requests == []
    assert limits.in_use == 1


async def test_a_long_query_is_scoped_elsewhere_and_again_from_the_cache():
    offload = Offload(CpuBudget(), timeout=10)
    query = "up+" * 200 + "up"
    async with gateway(offload=offload) as g:
        for _ in range(2):
            answered = await g.get(f"/api/v1/query?query={quote_plus(query)}")
            assert answered.status == 200
            [(_, sent)] = pairs(g.asked()[0].split(b" ")[1].partition(b"?")[2])
            assert sent == query.replace("up", 'up{project="A"}')
        assert offload.jobs == 1
        wrong = await g.get(f"/api/v1/query?query={quote_plus(query)}%2B")
        assert (wrong.status, offload.jobs) == (400, 2)
        assert "unexpected end" in wrong.json["error"]
        assert g.watcher.seen[-1].texts == ((f"{query}+", ""),)


async def test_a_project_that_has_used_its_cpu_time_still_gets_what_is_cached():
    offload = Offload(CpuBudget(1, 3600), timeout=10)
    async with gateway(offload=offload) as g:
        assert (await g.get("/api/v1/query?query=up")).status == 200
        offload.budget.charge("A", 2)
        refused = await g.get("/api/v1/query?query=down")
        assert (refused.status, int(refused.header(b"retry-after")) >= 3600) == (429, True)
        assert (await g.get("/api/v1/query?query=up")).status == 200
        assert (await g.get("/api/v1/query?query=down", "admin")).status == 200


async def test_clients_that_read_slowly_keep_no_slot_and_no_connection():
    async def long(peer):
        while True:
            await peer.request()
            await peer.send(answer(b"x" * 3_000_000))

    limits = Limits(LimitOptions(max_requests=2, max_requests_per_project=2, max_sending=1))
    async with gateway(long, limits=limits) as g:
        stuck = asyncio.Event()

        async def ask():
            async def send(_message):
                await stuck.wait()

            async def receive():
                return {"type": "http.request"}

            scope = {
                "type": "http",
                "method": "GET",
                "scheme": "http",
                "path": "/api/v1/query",
                "raw_path": b"/api/v1/query",
                "query_string": b"query=up",
                "headers": [(b"x-auth-token", b"tenant")],
            }
            await g.app(scope, receive, send)

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


async def test_a_response_over_the_limit_is_an_error_or_cut_off():
    async with gateway(max_response_bytes=len(BODY)) as g:
        assert (await g.get("/api/v1/query?query=up")).status == 200
    async with gateway(max_response_bytes=len(BODY) - 1) as g:
        response = await g.get("/api/v1/query?query=up")
        assert (response.status, response.json["errorType"]) == (422, "execution")
        assert "max_response_bytes" in response.json["error"]

    async def endless(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"5\r\nxxxxx\r\n"] * 100)

    async with gateway(endless, max_response_bytes=50) as g:
        response = await g.get("/api/v1/query?query=up")
        assert (response.status, response.complete) == (200, False)
        assert len(response.body) <= 50


async def test_services_start_and_stop_with_the_application():
    class LifespanService:
        def __init__(self, name, failure=None):
            self.name = name
            self.failure = failure

        async def start(self):
            if self.failure:
                raise self.failure
            log.append(f"{self.name} starts")

        async def close(self):
            log.append(f"{self.name} ends")

    log: list[str] = []

    async def live(*services):
        app = create_app(
            GatewayOptions(),
            identity=FakeIdentity({}),
            access=None,  # type: ignore[arg-type]  # there is no request
            upstream=Upstream(UpstreamOptions(host="127.0.0.1", port=9)),
            services=services,
        )
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = []

        async def receive():
            return messages.pop(0)

        async def send(message):
            sent.append(message)

        await app({"type": "lifespan"}, receive, send)
        return sent

    assert [message["type"] for message in await live(LifespanService("one"), LifespanService("two"))] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert log == ["one starts", "two starts", "two ends", "one ends"]
    (failed,) = (await live(LifespanService("bad", OSError("port 1 is taken"))))[:1]
    assert failed == {"type": "lifespan.startup.failed", "message": "port 1 is taken"}


async def test_rejected_requests_are_observed():
    async with gateway() as g:
        await g.get("/nowhere", "nobody")
        await g.get("/api/v1/query?query=1", "nobody")
        await g.get("/api/v1/query?query=(", "tenant")
        await g.get("/api/v1/query", "tenant", FORM, method="POST", body=[b"x"], disconnect=True)
        statuses = [(one.status, one.error, one.endpoint and one.endpoint.name) for one in g.watcher.seen]
        assert statuses == [
            (404, "not_found", None),
            (401, "unauthorized", "query"),
            (400, "bad_data", "query"),
            (499, "", "query"),
        ]
        assert [one.caller for one in g.watcher.seen] == [None, None, CALLERS["tenant"], CALLERS["tenant"]]
        assert all(one.upstream_seconds is None for one in g.watcher.seen)


async def test_a_response_that_is_cut_off_is_observed_as_incomplete():
    async with gateway(cut) as g:
        await g.get("/api/v1/query?query=up")
        (exchange,) = g.watcher.seen
        assert (exchange.status, exchange.complete, exchange.sent) == (200, False, 4)


async def test_a_websocket_is_closed():
    async with gateway() as g:
        sent = []

        async def send(message):
            sent.append(message)

        await g.app({"type": "websocket"}, None, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]
