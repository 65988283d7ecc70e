"""The gateway's application, with real connections of clients and of a scripted upstream."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from oslo_config import cfg
from tests.fakes.identity import FakeIdentity
from tests.fakes.observer import Watcher
from tests.fakes.upstream import RawUpstream, answer, answering
from tests.support.waiting import until

from chrysaetos.access.grants import PolicyAccess
from chrysaetos.gateway.proxy.coalescing import Coalescer
from chrysaetos.gateway.proxy.limits import LimitOptions, Limits
from chrysaetos.gateway.proxy.options import GatewayOptions
from chrysaetos.gateway.routing import create_app
from chrysaetos.http.server.limits import ServerLimits
from chrysaetos.http.server.server import HttpServer
from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions
from chrysaetos.identity.caller import Caller

__all__ = ["ANSWER", "BODY", "GET", "Client", "Gateway", "first_then", "gateway", "request"]

CALLERS = {
    "tenant": Caller(user_id="u", project_id="A", roles=("reader",)),
    "admin": Caller(user_id="a", project_id="X", roles=("admin",)),
}
BODY = b'{"status":"success","data":{}}'
ANSWER = answer(BODY)


def request(target="/api/v1/query?query=up", who="tenant", method="GET", *, body=b""):
    lines = (
        f"{method} {target} HTTP/1.1",
        "Host: gateway",
        f"X-Auth-Token: {who}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GET = request()


class Client:
    """A connection of a client."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data)

    def half_close(self):
        self.writer.write_eof()

    async def head(self):
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self):
        """Return status and body of a response with Content-Length."""
        head = await self.head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return int(head.split(b" ", 2)[1]), await self.reader.readexactly(length)

    async def rest(self):
        async with asyncio.timeout(20):
            return await self.reader.read()


class Gateway:
    """A listening gateway in front of the upstream."""

    def __init__(self, http, upstream, server, watcher):
        self.http, self.upstream, self.server, self.watcher = http, upstream, server, watcher
        self.clients = AsyncExitStack()

    async def listen(self):
        self._listening = await self.http.loop.create_server(self.http.protocol, "127.0.0.1", 0)

    async def close(self):
        await self.clients.aclose()
        self._listening.close()
        await self.http.drain(5)
        self.http.close()
        assert not self.http.connections

    async def client(self, **more):
        port = self._listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
        self.clients.push_async_callback(_close, writer)
        return Client(reader, writer)

    async def ask(self, data=GET):
        """Send a request over a new connection; return status and body."""
        client = await self.client()
        client.send(data)
        return await client.answer()

    async def reached(self, number=1):
        """Wait until so many requests have reached the upstream."""
        await until(lambda: len(self.server.requests) >= number)

    async def cancelled(self):
        """Wait until a request was cancelled and its connection to the upstream is closed."""
        await until(lambda: self.watcher.seen)
        assert [exchange.status for exchange in self.watcher.seen] == [499]
        await until(lambda: self.server.open == 0)
        assert self.upstream.in_use == 0


async def _close(writer):
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def gateway(script=None, **limits):
    conf = cfg.ConfigOpts()
    conf([])
    async with RawUpstream(script or answering(ANSWER)) as server:
        upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=server.port))
        slots, coalescer = Limits(LimitOptions()), Coalescer()
        app = create_app(
            GatewayOptions(),
            identity=FakeIdentity(CALLERS),
            access=PolicyAccess(conf, "project"),
            upstream=upstream,
            limits=slots,
            coalescer=coalescer,
            observers=[watcher := Watcher()],
        )
        http = HttpServer(app, ServerLimits(**limits), asyncio.get_running_loop(), on_refused=lambda _: [])
        made = Gateway(http, upstream, server, watcher)
        await made.listen()
        try:
            yield made
        finally:
            await made.close()
        assert (slots.in_use, slots.sending, slots.projects) == (0, 0, 0)
        assert (upstream.in_use, upstream.waiting, len(coalescer)) == (0, 0, 0)
        await app.close()


def first_then(first):
    """Return a script: the first connection runs another one, later ones respond."""
    number = 0

    async def script(peer):
        nonlocal number
        number += 1
        await (first if number == 1 else answering(ANSWER))(peer)

    return script
