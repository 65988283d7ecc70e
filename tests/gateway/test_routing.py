"""Which handler a request gets, and what all handlers have in common."""

import asyncio
from urllib.parse import urlencode

import pytest
from tests.fakes.identity import FakeIdentity
from tests.fakes.upstream import answer, answering
from tests.support.scripted_gateway import ANSWER, CALLERS, FORM, gateway, pairs

from chrysaetos.gateway.own.openapi import document
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.promql.parser import Bounds


async def test_a_dashboards_query_over_all_of_900_names_fits():
    names = "|".join(f"{number:08x}-6f70-656e-7374-61636b000000" for number in range(900))
    query = " + ".join(f'sum(rate({name}{{uuid=~"{names}"}}[5m]))' for name in ("cpu", "net", "disk", "mem"))
    body = urlencode({"query": query, "time": "1"}).encode()
    assert 128 * 1024 < len(query) < len(body) < 256 * 1024
    async with gateway() as g:
        response = await g.post("/api/v1/query", body)
        assert response.status == 200
        assert pairs(g.asked()[2])[0] == ("query", query.replace("{", '{project="A",'))


async def test_a_form_may_have_a_charset():
    async with gateway() as g:
        header = (b"content-type", b"Application/X-WWW-Form-Urlencoded; charset=UTF-8")
        await g.get("/api/v1/query", "tenant", header, method="POST", body=b"query=1")
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
        ([(b"content-type", b"application/json")], b"{}", 415),
        ([], b"query=1", 415),
        ([FORM], b"x" * 100, 200),
        ([FORM], b"x" * 101, 413),
    ],
)
async def test_a_body_that_is_not_a_form_or_too_long_is_rejected(headers, body, status):
    async with gateway(max_body_bytes=100) as g:
        response = await g.get("/api/v1/query?query=1", "tenant", *headers, method="POST", body=body)
        assert response.status == status
        assert len(g.server.requests) == (status == 200)


async def test_a_post_without_a_body_needs_no_content_type():
    async with gateway() as g:
        assert (await g.get("/api/v1/query?query=1", method="POST")).status == 200


async def test_the_limits_on_a_query_are_options():
    async with gateway(bounds=Bounds(bytes=5)) as g:
        response = await g.get("/api/v1/query?query=1+%2B+1+%2B+1")
        assert response.status == 400
        assert "longer than 5 bytes" in response.json["error"]


async def test_a_rejected_method_is_observed_with_its_endpoint():
    async with gateway() as g:
        await g.get("/api/v1/label/vm/values", method="DELETE")
        await g.get("/healthcheck", method="OPTIONS")
        assert [(one.status, one.endpoint.name) for one in g.watcher.seen] == [
            (405, "label"),
            (405, "healthcheck"),
        ]


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


@pytest.mark.parametrize("prefix", ["", "/metric-storage"])
async def test_the_version_document_leads_no_client_from_https_to_http(prefix):
    async with gateway(path_prefix=prefix) as g:
        document = (await g.get(f"{prefix}/", "nobody", (b"host", b"cloud:443"))).json
        assert document["versions"]["values"][0]["links"][0]["href"] == f"{prefix}/api/v1"


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
        await g.app.close()
        assert g.identity.closed
        assert g.upstream.idle == 0


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


async def test_services_start_and_stop_with_the_application():
    class Part:
        async def start(self):
            log.append("starts")

        async def close(self):
            log.append("ends")

    log: list[str] = []
    app = create_app(
        GatewayOptions(),
        identity=FakeIdentity({}),
        access=None,  # type: ignore[arg-type]  # there is no request
        upstream=Upstream(UpstreamOptions(host="127.0.0.1", port=9)),
        services=[Part()],
    )
    await app.start()
    await app.close()
    assert log == ["starts", "ends"]


async def test_rejected_requests_are_observed():
    async with gateway() as g:
        await g.get("/nowhere", "nobody")
        await g.get("/api/v1/query?query=1", "nobody")
        await g.get("/api/v1/query?query=(", "tenant")
        statuses = [(one.status, one.error, one.endpoint and one.endpoint.name) for one in g.watcher.seen]
        assert statuses == [
            (404, "not_found", None),
            (401, "unauthorized", "query"),
            (400, "bad_data", "query"),
        ]
        assert [one.caller for one in g.watcher.seen] == [None, None, CALLERS["tenant"]]
        assert all(one.upstream_seconds is None for one in g.watcher.seen)
