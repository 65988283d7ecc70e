"""The whole application, with real connections to a scripted upstream."""

from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from oslo_config import cfg
from tests.fakes.app_client import AppClient
from tests.fakes.identity import FakeIdentity
from tests.fakes.observer import Watcher
from tests.fakes.upstream import RawUpstream, answer, answering
from tests.support.waiting import until

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller

__all__ = ["ANSWER", "BODY", "CALLERS", "FORM", "gateway", "pairs"]

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


class Gateway:
    def __init__(self, app, identity, upstream, server, watcher):
        self.app = app
        self.identity = identity
        self.upstream = upstream
        self.server = server
        self.watcher = watcher
        self.client = AppClient(app)

    async def get(self, target, who="tenant", *headers, method="GET", **more):
        return await self.client.request(method, target, headers=[token(who), *headers], **more)

    async def post(self, target, body, who="tenant", *headers):
        return await self.get(target, who, FORM, *headers, method="POST", body=body)

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
        await app.close()


def pairs(query):
    return parse_qsl(query.decode())
