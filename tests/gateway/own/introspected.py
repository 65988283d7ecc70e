"""A gateway with a few callers, for ``whoami`` and ``explain``."""

import math
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlencode

from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.observer import Watcher
from tests.fakes.upstream import RawUpstream, answer, answering

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller

__all__ = ["BODY", "CALLERS", "FORM", "Gateway", "gateway"]

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
