"""The additions to scoped requests for the engine, from a client's request to the upstream's."""

from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import pytest
from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.remote_read import EQ, Matcher, query
from tests.fakes.upstream import RawUpstream, answer

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller
from chrysaetos.tenancy.endpoints import ENDPOINTS, Action
from chrysaetos.tenancy.engine import EngineScoping
from chrysaetos.tenancy.scope import Scope
from chrysaetos.tenancy.snappy import compress

CALLERS = {
    "tenant": Caller(user_id="u", project_id="A", roles=("reader",)),
    "admin": Caller(user_id="a", project_id="X", roles=("admin",)),
}
ENGINE = EngineScoping({"extra_filters[]": "{selector}"}, {"X-Tenant": "{project}"})
FILTERS = [("extra_filters[]", f"{{{Scope.of('project', 'A').matcher}}}")]
FORM = (b"content-type", b"application/x-www-form-urlencoded")
READ_HEADERS = ((b"content-type", b"application/x-protobuf"), (b"content-encoding", b"snappy"))
READ_BODY = compress(query([Matcher(EQ, "__name__", "cpu")], 1, 2))
DATA = {"label": b"[]", "metadata": b"{}", "rules": b'{"groups":[]}', "alerts": b'{"groups":[]}'}

FORGED = (
    "extra_filters[]",
    "EXTRA_FILTERS[]",
    "Extra_Filters%5B%5D",
    "%65xtra_filters%5b%5d",
    "extra_filters%5B]",
)
"""Spellings of a client's own parameter."""

REQUIRED = {
    "query": "query=up",
    "query_cost": "query=up",
    "query_range": "query=up&start=1&end=2&step=1",
    "query_range_cost": "query=up&start=1&end=2&step=1",
    "query_exemplars": "query=up",
    "search_label_values": "label=vm",
    "delete_series": "match[]=up",
}

SCOPED = [
    (endpoint, method)
    for endpoint in ENDPOINTS
    if endpoint.action in {Action.SCOPE, Action.FORWARD, Action.FILTER, Action.READ}
    for method in endpoint.methods
]


async def prometheus(peer):
    """Run as a script that responds with data that can be filtered."""
    while True:
        path = (await peer.request()).split(b" ")[1].partition(b"?")[0].decode()
        name = next((name for name in DATA if name in path.split("/")), "")
        await peer.send(answer(b'{"status":"success","data":%b}' % DATA.get(name, b"{}")))


@asynccontextmanager
async def gateway(tmp_path, engine=ENGINE, **upstream_options):
    (tmp_path / "policy.yaml").write_text('"telemetry:admin_delete_metrics:own_project": "role:reader"\n')
    (tmp_path / "aetos.conf").write_text(f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(tmp_path / "aetos.conf")])
    async with RawUpstream(prometheus) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port, **upstream_options))
        app = create_app(
            GatewayOptions(engine=engine),
            identity=FakeIdentity(CALLERS),
            access=PolicyAccess(conf, "project"),
            upstream=upstream,
            coalescer=Coalescer(),
        )
        yield AppClient(app), server
        await upstream.close()


async def ask(client, endpoint, method, who, *, url="", body="", headers=()):
    """Send a valid request to an endpoint, with additional parameters in its URL and its body."""
    required = REQUIRED.get(endpoint.name, "")
    headers = [(b"x-auth-token", who.encode()), *headers]
    content = b""
    if endpoint.action is Action.READ:
        headers += READ_HEADERS
        content = READ_BODY
    elif method in {"POST", "PUT"}:
        headers.append(FORM)
        content = "&".join(filter(None, (required, body))).encode()
    else:
        url = "&".join(filter(None, (required, url)))
    path = endpoint.path.replace("{name}", "vm")
    response = await client.request(method, f"{path}?{url}", headers=headers, body=content)
    assert response.status == 200, response.body
    return response


def seen(request):
    """Return a request's parameters in the URL and in the form body, and its values of ``X-Tenant``."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    headers = [(name.lower(), value) for name, _, value in (one.partition(b": ") for one in lines)]
    in_url = parse_qsl(line.split(b" ")[1].partition(b"?")[2].decode(), keep_blank_values=True)
    in_body = parse_qsl(body.decode(), keep_blank_values=True) if FORM in headers else []
    return in_url, in_body, [value for name, value in headers if name == b"x-tenant"]


def filters(pairs):
    return [(name, value) for name, value in pairs if "extra" in name.lower()]


@pytest.mark.parametrize(("endpoint", "method"), SCOPED, ids=lambda one: getattr(one, "name", one))
async def test_only_scoped_requests_have_the_additions(tmp_path, endpoint, method):
    async with gateway(tmp_path) as (client, server):
        await ask(client, endpoint, method, "tenant")
        assert server.requests
        for request in server.requests:
            in_url, in_body, tenants = seen(request)
            assert filters(in_url + in_body) == FILTERS
            assert tenants == [b"A"]
            assert bool(in_body) is (method in {"POST", "PUT"} and endpoint.action is not Action.READ)
        server.requests.clear()
        await ask(client, endpoint, method, "admin")
        for request in server.requests:
            in_url, in_body, tenants = seen(request)
            assert filters(in_url + in_body) == []
            assert tenants == []


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize(("endpoint", "method"), SCOPED, ids=lambda one: getattr(one, "name", one))
async def test_the_clients_own_parameter_is_dropped(tmp_path, endpoint, method, forged):
    async with gateway(tmp_path) as (client, server):
        own = f"{forged}=%7Bproject%3D~%22.%2A%22%7D"
        headers = [(b"x-tenant", b"B"), (b"x_tenant", b"B")]
        for who in ("tenant", "admin"):
            await ask(client, endpoint, method, who, url=own, body=own, headers=headers)
            for request in server.requests:
                assert b"%22.%2A%22" not in request
                assert b"B" not in seen(request)[2]
            server.requests.clear()


async def test_a_post_without_parameters_has_the_additions_in_its_body(tmp_path):
    async with gateway(tmp_path, EngineScoping({"p": "{project}"})) as (client, server):
        endpoint = next(one for one in ENDPOINTS if one.name == "format_query")
        await ask(client, endpoint, "POST", "tenant")
        assert server.requests[-1].endswith(b"\r\n\r\np=A")


async def test_a_header_of_the_scope_replaces_that_of_all_requests(tmp_path):
    options = {"default_headers": (("X-Tenant", "everything"),)}
    endpoint = next(one for one in ENDPOINTS if one.name == "labels")
    async with gateway(tmp_path, **options) as (client, server):
        await ask(client, endpoint, "GET", "tenant")
        await ask(client, endpoint, "GET", "admin")
        await client.request("GET", "/-/ready")
        assert [seen(request)[2] for request in server.requests] == [[b"A"], [b"everything"], [b"everything"]]


async def test_a_scope_that_the_engine_cannot_enforce_is_rejected_before_a_request_is_sent(
    tmp_path, monkeypatch
):
    async def both(*_):
        return Scope.of("project", "A", "B")

    monkeypatch.setattr(PolicyAccess, "grant", both)
    async with gateway(tmp_path) as (client, server):
        headers = [(b"x-auth-token", b"tenant")]
        response = await client.request("GET", "/api/v1/query?query=up", headers=headers)
        assert (response.status, response.json["errorType"]) == (400, "bad_data")
        assert "use a token of one project" in response.json["error"]
        assert not server.requests
