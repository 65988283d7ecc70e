"""``whoami``."""

import asyncio
import base64

import pytest
from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.gateway.own.introspected import CALLERS, gateway

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.tenancy.endpoints import ENDPOINTS
from chrysaetos.tenancy.scope import Scope


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
