"""CORS: requests of pages of other origins, through the whole application."""

from contextlib import asynccontextmanager

import pytest
from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.observer import Watcher
from tests.fakes.upstream import RawUpstream, answer, answering

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.app.cors import load_cors
from chrysaetos.gateway.build import build
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller

PAGE = b"https://dashboard.example"
LISTED = f"[cors]\nallowed_origin = {PAGE.decode()}, http://[::1]:3000\n"
TOKEN = (b"x-auth-token", b"tenant")
STRANGERS = [
    b"https://dashboard.example:8443",
    b"http://dashboard.example",
    b"https://dashboard.example.evil",
    b"https://evil-dashboard.example",
    b"https://DASHBOARD.example",
    b"https://dashboard.example/",
    b"https://dashboard.example, http://[::1]:3000",
    b"http://[::1]",
    b"null",
    b"*",
    b"",
]


class Gateway:
    def __init__(self, app, identity, server, watcher):
        self.identity = identity
        self.server = server
        self.watcher = watcher
        self._client = AppClient(app)

    async def get(self, target="/api/v1/query?query=up", origin=PAGE, *headers, method="GET"):
        more = [] if origin is None else [(b"origin", origin)]
        return await self._client.request(method, target, headers=[*more, *headers])

    async def preflight(self, target="/api/v1/query", origin=PAGE, asked=b"POST", names=None):
        headers = [(b"access-control-request-method", asked)] if asked is not None else []
        if names is not None:
            headers.append((b"access-control-request-headers", names))
        return await self.get(target, origin, *headers, method="OPTIONS")


def configured(tmp_path, text):
    file = tmp_path / "aetos.conf"
    file.write_text(text)
    return load_conf(["--config-file", str(file)])


@pytest.fixture
def gateway(tmp_path):
    """Call it with the text of a configuration file; it returns a gateway with its ``[cors]``."""

    @asynccontextmanager
    async def start(text=LISTED, **options):
        policy = cfg.ConfigOpts()
        policy([])
        async with RawUpstream(
            answering(answer(b"{}", headers=(b"Content-Type: application/json",)))
        ) as server:
            upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
            identity = FakeIdentity({"tenant": Caller(user_id="u", project_id="A", roles=("reader",))})
            app = create_app(
                GatewayOptions(**options),
                identity=identity,
                access=PolicyAccess(policy, "project"),
                upstream=upstream,
                cors=load_cors(configured(tmp_path, text)),
                observers=[watcher := Watcher()],
            )
            yield Gateway(app, identity, server, watcher)
            await upstream.close()

    return start


def spoken(response):
    """Return the CORS headers, without their common prefix, and Vary."""
    found = {}
    for name, value in response.headers:
        if name == b"vary" or name.startswith(b"access-control-"):
            assert name not in found
            found[name.decode().removeprefix("access-control-")] = value.decode()
    return found


def plain(response):
    """Return a response without its request id."""
    headers = [pair for pair in response.headers if pair[0] != b"x-openstack-request-id"]
    return response.status, headers, response.body


ALLOWED = {"allow-origin": PAGE.decode(), "allow-credentials": "true", "vary": "Origin"}
OPENSTACK = "X-Auth-Token, X-Openstack-Request-Id, X-Subject-Token"
SIMPLE = (
    "Accept, Accept-Language, Cache-Control, Content-Language, Content-Type, Expires, Last-Modified, Pragma"
)


@pytest.mark.parametrize("text", ["", "[cors]\nallowed_origin =\n", "[cors]\nallow_methods = GET\n"])
async def test_a_request_without_an_origin_gets_no_cors_headers(gateway, text):
    async with gateway(text) as g:
        response = await g.preflight()
        assert (response.status, response.header(b"allow")) == (405, b"GET, POST")
        assert spoken(response) == {}
        response = await g.get("/api/v1/query?query=up", PAGE, TOKEN)
        assert (response.status, spoken(response)) == (200, {})


def test_without_configuration_there_is_no_cors(tmp_path):
    assert load_cors(configured(tmp_path, "")) is None
    conf = configured(tmp_path, "[DEFAULT]\nauth_mode = noauth\n")
    assert build(conf).application._cors is None


async def test_the_configuration_reaches_the_application(tmp_path):
    conf = configured(tmp_path, f"[DEFAULT]\nauth_mode = noauth\n{LISTED}")
    client = AppClient(build(conf).application)
    response = await client.request("GET", "/healthcheck", headers=[(b"origin", PAGE)])
    assert response.header(b"access-control-allow-origin") == PAGE


async def test_a_preflight_lists_what_is_allowed(gateway):
    async with gateway() as g:
        response = await g.preflight(names=b"x-auth-token, content-type")
        assert (response.status, response.body, response.complete) == (204, b"", True)
        assert response.header(b"content-length") is None
        assert spoken(response) == ALLOWED | {
            "allow-methods": "GET, POST",
            "allow-headers": f"{OPENSTACK}, {SIMPLE}",
            "max-age": "3600",
        }
        assert g.identity.asked == []
        assert g.server.requests == []


@pytest.mark.parametrize(
    ("target", "asked", "methods"),
    [
        ("/api/v1/labels/", b"GET", "GET, POST"),
        ("/api/v1/label/job/values", b"GET", "GET"),
        ("/api/v1/admin/tsdb/delete_series", b"PUT", "POST, PUT"),
        ("/healthcheck", b"GET", "GET"),
    ],
)
async def test_a_preflight_lists_methods_that_both_endpoint_and_operator_allow(
    gateway, target, asked, methods
):
    async with gateway() as g:
        response = await g.preflight(target, asked=asked)
        assert (response.status, spoken(response)["allow-methods"]) == (204, methods)


async def test_a_preflight_is_observed(gateway):
    async with gateway() as g:
        response = await g.preflight()
        (exchange,) = g.watcher.seen
        assert response.header(b"x-openstack-request-id") == exchange.request_id.encode()
        assert (exchange.method, exchange.path, exchange.endpoint.name) == (
            "OPTIONS",
            "/api/v1/query",
            "query",
        )
        assert (exchange.status, exchange.error, exchange.complete, exchange.sent) == (204, "", True, 0)
        assert exchange.caller is None


@pytest.mark.parametrize("origin", [*STRANGERS, None])
async def test_a_preflight_of_another_origin_is_handled_as_without_cors(gateway, origin):
    async with gateway() as g, gateway("") as without:
        response = await g.preflight(origin=origin)
        assert response.status == 405
        assert plain(response) == plain(await without.preflight(origin=origin))
        assert (g.watcher.seen[0].status, g.watcher.seen[0].endpoint.name) == (405, "query")


@pytest.mark.parametrize("origin", [*STRANGERS, None])
async def test_a_response_to_another_origin_has_no_cors_headers(gateway, origin):
    async with gateway() as g, gateway("") as without:
        response = await g.get("/api/v1/query?query=up", origin, TOKEN)
        assert response.status == 200
        assert plain(response) == plain(
            await without.get("/api/v1/query?query=up", origin, TOKEN),
        )


async def test_two_origin_headers_are_rejected(gateway):
    async with gateway() as g:
        second = (b"origin", b"http://[::1]:3000")
        assert spoken(await g.get("/healthcheck", PAGE, second)) == {}


@pytest.mark.parametrize(
    ("target", "asked", "names", "status"),
    [
        ("/api/v1/query", None, None, 405),
        ("/api/v1/query", b"", None, 405),
        ("/api/v1/query", b"post", None, 405),
        ("/api/v1/query", b"P\xd6ST", None, 405),
        ("/api/v1/query", b"DELETE", None, 405),
        ("/healthcheck", b"HEAD", None, 405),
        ("/api/v1/query", b"POST", b"authorization", 405),
        ("/api/v1/query", b"POST", b"x-auth-token,x-project-id", 405),
        ("/nowhere", b"GET", None, 404),
        ("/api/v1/query%2f", b"GET", None, 404),
    ],
)
async def test_a_preflight_for_what_is_not_allowed_fails(gateway, target, asked, names, status):
    async with gateway() as g:
        response = await g.preflight(target, asked=asked, names=names)
        assert response.status == status
        assert (response.header(b"allow") is not None) == (status == 405)
        assert spoken(response) == ALLOWED


async def test_only_options_is_a_preflight(gateway):
    async with gateway() as g:
        asking = (b"access-control-request-method", b"GET")
        assert (await g.get("/healthcheck", PAGE, asking)).status == 200
        assert (await g.get("/api/v1/query?query=up", PAGE, asking)).status == 401


async def test_every_line_of_requested_headers_is_checked(gateway):
    async with gateway() as g:
        more = [
            (b"access-control-request-method", b"GET"),
            (b"access-control-request-headers", b"X-Auth-Token, ,"),
        ]
        bad = (b"access-control-request-headers", b"x-other")
        assert (await g.get("/federate", PAGE, *more, method="OPTIONS")).status == 204
        assert (await g.get("/federate", PAGE, *more, bad, method="OPTIONS")).status == 405


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "/api/v1/query?query=up", [TOKEN], 200),
        ("GET", "/healthcheck", [], 200),
        ("HEAD", "/healthcheck", [], 200),
        ("GET", "/api/v1/query?query=up(", [TOKEN], 400),
        ("GET", "/api/v1/query?query=up", [], 401),
        ("GET", "/nowhere", [], 404),
        ("DELETE", "/api/v1/query", [], 405),
        ("GET", "/api/v1/query?" + "x" * 3000, [TOKEN], 414),
    ],
)
async def test_a_page_may_read_every_answer_of_its_requests(gateway, method, target, headers, status):
    async with gateway(max_url_bytes=2000) as g:
        response = await g.get(target, PAGE, *headers, method=method)
        assert response.status == status
        assert spoken(response) == ALLOWED | {"expose-headers": OPENSTACK}


async def test_a_page_may_read_errors(gateway, caplog):
    async with gateway() as g:
        g.identity.warm.add("unknown")  # makes the fake fail with a KeyError
        response = await g.get("/api/v1/query?query=up", PAGE, (b"x-auth-token", b"unknown"))
        assert (response.status, spoken(response)["allow-origin"]) == (500, PAGE.decode())
        assert "KeyError" in caplog.text


async def test_the_response_names_only_the_requests_origin(gateway):
    async with gateway() as g:
        assert (
            spoken(await g.get("/healthcheck", b"http://[::1]:3000"))["allow-origin"] == "http://[::1]:3000"
        )


async def test_a_preflight_has_the_path_prefix(gateway):
    async with gateway(path_prefix="/metric-storage") as g:
        assert (await g.preflight("/metric-storage/api/v1/query")).status == 204
        assert (await g.preflight("/api/v1/query")).status == 404


async def test_the_configured_values_are_used(gateway):
    text = f"""{LISTED}
allow_credentials = false
expose_headers = X-One, X-Two,
max_age = 0
allow_methods = GET
allow_headers = Authorization
"""
    async with gateway(text) as g:
        allowed = {"allow-origin": PAGE.decode(), "vary": "Origin"}
        response = await g.preflight(asked=b"GET", names=b"authorization")
        assert response.status == 204
        assert spoken(response) == allowed | {
            "allow-methods": "GET",
            "allow-headers": f"Authorization, {SIMPLE}",
            "max-age": "0",
        }
        assert (await g.preflight(asked=b"POST")).status == 405
        assert (await g.preflight(asked=b"GET", names=b"x-auth-token")).status == 405
        assert spoken(await g.get("/healthcheck")) == allowed | {"expose-headers": "X-One, X-Two"}


async def test_empty_lists_omit_the_headers(gateway):
    async with gateway(f"{LISTED}expose_headers =\nmax_age =\n") as g:
        assert "max-age" not in spoken(await g.preflight())
        assert spoken(await g.get("/healthcheck")) == ALLOWED


async def test_star_allows_every_origin_but_null(gateway):
    async with gateway("[cors]\nallowed_origin = *\nallow_credentials = false\n") as g:
        response = await g.preflight(origin=b"https://anything.example")
        assert (response.status, spoken(response)["allow-origin"]) == (204, "*")
        response = await g.get("/healthcheck", b"https://anything.example")
        assert spoken(response) == {"allow-origin": "*", "vary": "Origin", "expose-headers": OPENSTACK}
        assert spoken(await g.get("/healthcheck", b"null")) == {}
        assert (await g.preflight(origin=b"null")).status == 405


async def test_null_is_allowed_if_listed(gateway):
    async with gateway("[cors]\nallowed_origin = null\n") as g:
        assert spoken(await g.get("/healthcheck", b"null"))["allow-origin"] == "null"
        assert spoken(await g.get("/healthcheck")) == {}
