"""A server with a small application, and clients of it, over real sockets."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

from chrysaetos.http.server.limits import ServerLimits
from chrysaetos.http.server.server import HttpServer

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


async def echo(request, reply):
    """Respond with the method, path and body of the request."""
    reply.begin(200, [])
    reply.write(b" ".join((request.method.encode(), request.path, request.body)))


class Held:
    """An application whose responses wait until they are released."""

    def __init__(self):
        self.go = asyncio.Event()
        self.calls = 0
        self.cancelled = 0

    async def __call__(self, request, reply):
        self.calls += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await echo(request, reply)


class Client:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data)

    async def head(self):
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self):
        """Return headers and body of a response with Content-Length."""
        head = await self.head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head, await self.reader.readexactly(length)

    async def rest(self):
        async with asyncio.timeout(5):
            return await self.reader.read()


class Running:
    def __init__(self, server, port, stack):
        self.server, self.port, self._stack = server, port, stack

    async def client(self, limit=65536):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=limit)
        self._stack.push_async_callback(_close, writer)
        return Client(reader, writer)


async def _close(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def running(app=echo, on_refused=lambda _: [], tls=None, **limits):
    loop = asyncio.get_running_loop()
    server = HttpServer(app, ServerLimits(**limits), loop, on_refused=on_refused)
    listening = await loop.create_server(server.protocol, "127.0.0.1", 0, ssl=tls)
    async with contextlib.AsyncExitStack() as stack:
        yield Running(server, listening.sockets[0].getsockname()[1], stack)
        listening.close()
    await server.drain(1)
    server.close()
    assert not server.connections
    assert not server.waiting
