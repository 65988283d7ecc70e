"""Client connections over real sockets to small applications."""

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager

import pytest
from tests.support.waiting import until

from chrysaetos.http.server import connection as connection_module
from chrysaetos.http.server import server as server_module
from chrysaetos.http.server.limits import FramingLimits, ServerLimits
from chrysaetos.http.server.server import HttpServer
from chrysaetos.http.server.sockets import listen_tcp

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(server_module, "_TICK", 0.02)
    monkeypatch.setattr(connection_module, "_RECENT", 0.1)
    monkeypatch.setattr(connection_module, "_LINGER_SECONDS", 0.1)


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

    async def answer(self):
        """Return headers and body of a response with Content-Length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head, await self.reader.readexactly(length)

    async def rest(self):
        async with asyncio.timeout(5):
            return await self.reader.read()


class Running:
    def __init__(self, server, port, stack):
        self.server, self._port, self._stack = server, port, stack

    async def client(self, limit=65536):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=limit)
        self._stack.push_async_callback(_close, writer)
        return Client(reader, writer)


async def _close(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def running(app=echo, on_refused=lambda _: [], **limits):
    loop = asyncio.get_running_loop()
    server = HttpServer(app, ServerLimits(**limits), loop, on_refused=on_refused)
    listening = await loop.create_server(server.protocol, "127.0.0.1", 0)
    async with contextlib.AsyncExitStack() as stack:
        yield Running(server, listening.sockets[0].getsockname()[1], stack)
        listening.close()
    await server.drain(1)
    server.close()
    assert not server.connections
    assert not server.waiting


async def test_pipelined_requests_are_served_in_order():
    async with running() as here:
        client = await here.client()
        client.send(GET + b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + GET)
        assert [(await client.answer())[1] for _ in range(3)] == [b"GET /a ", b"POST /b hello", b"GET /a "]
        assert len(here.server.connections) == 1


async def test_connections_that_wait_to_be_accepted_are_not_dropped():
    (listening,) = listen_tcp("127.0.0.1", 0)
    server = HttpServer(echo, ServerLimits(), asyncio.get_running_loop())
    await server.accept([listening])
    address = listening.getsockname()
    with contextlib.ExitStack() as stack:
        # The event loop does not run meanwhile. A client whose connection was dropped tries again after 1 s.
        for _ in range(300):
            stack.enter_context(socket.create_connection(address, timeout=0.9))
    await server.stop()


def test_several_connections_are_accepted_in_a_turn_of_the_event_loop():
    uvloop = pytest.importorskip("uvloop", reason="only CPython has it")

    async def turns():
        (listening,) = listen_tcp("127.0.0.1", 0)
        server = HttpServer(echo, ServerLimits(), asyncio.get_running_loop())
        await server.accept([listening])
        count = 0
        with contextlib.ExitStack() as stack:
            for _ in range(64):
                stack.enter_context(socket.create_connection(listening.getsockname()))
            while len(server.connections) < 64:
                await asyncio.sleep(0)
                count += 1
        await server.stop()
        return count

    assert uvloop.run(turns()) <= 12


async def test_application_gets_only_complete_requests():
    calls = []

    async def app(request, reply):
        calls.append(request.path)
        await echo(request, reply)

    async with running(app) as here:
        client = await here.client()
        client.send(b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell")
        await asyncio.sleep(0.05)
        assert calls == []
        client.send(b"o")
        assert (await client.answer())[1] == b"POST /b hello"


async def test_reading_pauses_while_a_request_is_served():
    app = Held()
    async with running(app) as here:
        client = await here.client()
        client.send(GET * 20_000)
        await until(lambda: app.calls == 1)
        await asyncio.sleep(0.05)
        (connection,) = here.server.connections
        assert 64 * 1024 < connection._reader.waiting < 512 * 1024
        assert not connection._reading
        app.go.set()
        for _ in range(20_000):
            await client.answer()
        assert app.calls == 20_000


async def test_idle_connection_is_closed_without_a_response():
    async with running(idle_seconds=0.1, head_seconds=0.1) as here:
        client = await here.client()
        assert await client.rest() == b""
        client = await here.client()
        client.send(GET)
        await client.answer()
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "part",
    [b"G", GET[:-1], b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell", GET + b"GET /"],
)
async def test_slow_request_gets_408(part):
    async with running(head_seconds=0.1, body_seconds=0.1) as here:
        client = await here.client()
        client.send(part)
        answers = await client.rest()
        assert b"HTTP/1.1 408 " in answers
        assert b'"errorType": "timeout"' in answers
        assert here.server.refusals == {408: 1}


async def test_sending_byte_by_byte_does_not_extend_the_deadline():
    async with running(head_seconds=0.2) as here:
        client = await here.client()

        async def dribble():
            for byte in GET * 10:
                client.send(bytes([byte]))
                await asyncio.sleep(0.02)

        task = asyncio.create_task(dribble())
        assert b"HTTP/1.1 408 " in await client.rest()
        task.cancel()


async def test_client_that_keeps_sending_can_read_the_error():
    async with running(framing=FramingLimits(body=100)) as here:
        client = await here.client()
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n" + b"a" * 3_000_000)
        assert (await client.rest()).startswith(b"HTTP/1.1 413 ")


POST = b"POST /b?q=1 HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"GET / HTTP/1.1\nHost: h\n\n", (400, "bad_data", "lines must end with CRLF", "", "")),
        (b"\x1b[31m / HTTP/1.1\r\n\r\n", (400, "bad_data", "the request line is malformed", "", "")),
        (POST + b"Content-Length: 9999\r\n\r\n", (413, "bad_data", "the body is longer than 100", "", "")),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", (400, "bad_data", "the size of a", "POST", "/b")),
        (
            POST + b"Cookie: secret\r\n" * 101 + b"\r\n",
            (431, "bad_data", "the request has more than 100", "", ""),
        ),
        (
            POST + b"Content-Length: 9\r\n\r\nhell",
            (408, "timeout", "the request did not", "POST", "/b"),
        ),
    ],
)
async def test_on_refused_gets_each_rejected_request_and_adds_headers(sent, told):
    seen = []

    def on_refused(request):
        seen.append(request)
        return [(b"x-id", b"1")]

    limits = {"framing": FramingLimits(body=100), "head_seconds": 0.1, "body_seconds": 0.1}
    async with running(on_refused=on_refused, **limits) as here:
        client = await here.client()
        client.send(sent)
        head, _, content = (await client.rest()).partition(b"\r\n\r\n")
    (request,) = seen
    status, error_type, reason, method, path = told
    error = request.error
    assert (error.status, error.error_type, request.method, request.path) == (
        status,
        error_type,
        method,
        path,
    )
    assert error.message.startswith(reason)
    assert (request.client, request.answer_bytes) == ("127.0.0.1", len(content))
    assert b"\r\nx-id: 1\r\n" in head


async def test_valid_request_is_not_rejected():
    async with running(on_refused=pytest.fail) as here:
        client = await here.client()
        client.send(GET)
        await client.answer()
        assert not here.server.refusals


PART = POST + b"Content-Length: 1000\r\n\r\n" + b"a" * 600


async def test_incomplete_requests_share_a_limit():
    async with running(unfinished_bytes=1000) as here:
        first, second, third = [await here.client() for _ in range(3)]
        first.send(PART)
        await until(lambda: here.server.unfinished == 600)
        second.send(PART)
        answer = await second.rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in answer
        assert b"max_unfinished_bytes" in answer
        assert here.server.unfinished == 600
        third.send(GET)
        assert (await third.answer())[1] == b"GET /a "
        first.send(b"a" * 400)
        assert (await first.answer())[1] == b"POST /b " + b"a" * 1000
        assert here.server.unfinished == 0
        third.send(PART + b"a" * 400)
        assert (await third.answer())[1] == b"POST /b " + b"a" * 1000


@pytest.mark.parametrize(
    "part",
    [GET[:-1], POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5", PART],
)
async def test_bytes_of_an_incomplete_request_count_until_its_client_disconnects(part):
    async with running() as here:
        client = await here.client()
        client.send(part)
        await until(lambda: here.server.unfinished > 0)
        client.writer.close()
        await until(lambda: not here.server.connections)
        assert here.server.unfinished == 0


async def test_pipelined_requests_are_not_read_at_the_limit():
    app = Held()
    async with running(app, unfinished_bytes=100) as here:
        client = await here.client()
        client.send(GET)
        await until(lambda: app.calls == 1)
        client.send(GET * 10)
        await until(lambda: here.server.unfinished == 10 * len(GET))
        (connection,) = here.server.connections
        assert not connection._reading
        app.go.set()
        for _ in range(11):
            assert (await client.answer())[1] == b"GET /a "
        assert here.server.unfinished == 0


async def test_connection_over_the_limit_replaces_the_longest_waiting():
    app = Held()
    async with running(app, connections=3) as here:
        busy, first, second = [await here.client() for _ in range(3)]
        busy.send(GET)
        first.send(b"G")
        await until(lambda: app.calls == 1 and len(here.server.connections) == 3)
        third = await here.client()
        assert await first.rest() == b""
        app.go.set()
        for client in (busy, second, third):
            client.send(GET if client is not busy else b"")
            assert (await client.answer())[1] == b"GET /a "


async def test_700_clients_that_send_half_a_request_do_not_block_another(caplog):
    async with running(connections=100) as here:
        for _ in range(700):
            (await here.client()).send(GET[:-2])
        tasks = len(asyncio.all_tasks())
        client = await here.client()
        client.send(GET)
        assert (await client.answer())[1] == b"GET /a "
        assert len(here.server.connections) <= 100
        assert len(asyncio.all_tasks()) <= tasks + 1
    assert not caplog.records


async def test_connection_over_the_limit_is_rejected_if_all_are_busy():
    app = Held()
    async with running(app, connections=1) as here:
        busy = await here.client()
        busy.send(GET)
        await until(lambda: app.calls == 1)
        answer = await (await here.client()).rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
        app.go.set()
        assert (await busy.answer())[1] == b"GET /a "


async def test_disconnect_cancels_the_request():
    app = Held()
    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        await until(lambda: app.calls == 1)
        client.writer.close()
        await until(lambda: app.cancelled == 1)
        await until(lambda: not here.server.connections)


async def test_unfinished_tasks_are_counted():
    async with running() as here:
        before = here.server.tasks
        task = asyncio.create_task(asyncio.sleep(60))
        assert here.server.tasks == before + 1
        task.cancel()
        await until(task.done)
        assert here.server.tasks == before


async def test_disconnect_cancels_the_application():
    ends = []

    async def app(request, reply):
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ends.append(True)

    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        await asyncio.sleep(0.05)
        client.writer.write_eof()
        assert await client.rest() == b""
        assert ends == [True]


async def test_exception_of_the_application_is_500():
    async def app(request, reply):
        raise ZeroDivisionError

    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"ZeroDivision" not in answer


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("pieces", [0, 1])
@pytest.mark.parametrize("raises", [True, False])
async def test_incomplete_response_is_recognizable(stated, pieces, raises):
    async def app(request, reply):
        headers = [(b"content-length", b"10")] if stated else []
        reply.begin(200, headers)
        for _ in range(pieces):
            reply.write(b"abc", more=True)
        if raises:
            raise ZeroDivisionError

    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert (b"content-length: 10" in head) is stated
        assert body == (b"" if not pieces else b"abc" if stated else b"3\r\nabc\r\n")
        client = await here.client()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        if stated:
            assert (await client.rest()).endswith(b"abc" * pieces)
        else:
            with pytest.raises(ConnectionResetError):
                await client.rest()


async def test_client_that_does_not_read_pauses_the_application_and_is_disconnected():
    sent = []

    async def app(request, reply):
        reply.begin(200, [])
        try:
            for _ in range(1000):
                reply.write(b"a" * 100_000, more=True)
                await reply.drained()
                sent.append(True)
        except asyncio.CancelledError:
            sent.append(False)
            raise

    async with running(app, write_seconds=0.2) as here:
        client = await here.client(limit=1000)
        client.send(GET)
        await until(lambda: len(sent) > 3)
        await asyncio.sleep(0.05)
        assert len(sent) < 300
        await until(lambda: sent[-1] is False)
        with contextlib.suppress(ConnectionError):
            await client.rest()


async def test_slow_client_gets_the_complete_response():
    size = 8_000_000

    async def app(request, reply):
        reply.begin(200, [])
        reply.write(b"a" * size)

    async with running(app, write_seconds=1.5) as here:
        client = await here.client(limit=50_000)
        client.send(GET)
        await client.reader.readuntil(b"\r\n\r\n")
        read = 0
        while read < size:
            piece = await client.reader.read(200_000)
            assert piece, "the client was dropped"
            read += len(piece)
            await asyncio.sleep(0.05)  # at least two seconds in all
        assert read == size


@pytest.mark.parametrize(("rate", "cut"), [(20_000, False), (4_000_000, True)])
async def test_the_rate_of_a_slow_client_is_that_of_what_it_has_read(rate, cut):
    """A client that takes some kilobytes per second leaves the kernel's buffer full for minutes."""

    async def app(request, reply):
        reply.begin(200, [])
        reply.write(b"a" * 30_000_000)

    async with running(app, write_seconds=1, write_rate=rate) as here:
        client = await here.client(limit=4096)
        client.send(GET)
        with contextlib.suppress(ConnectionError):
            end = here.server.loop.time() + 3.2
            while here.server.loop.time() < end:  # at most 1,600,000 bytes per second
                await client.reader.read(8192)
                await asyncio.sleep(0.005)
        assert len(here.server.connections) == (0 if cut else 1)


async def test_drain_closes_idle_connections_and_finishes_requests():
    app = Held()
    async with running(app) as here:
        silent, busy, partial = [await here.client() for _ in range(3)]
        busy.send(GET + GET)
        partial.send(GET[:-2])
        await until(lambda: app.calls == 1)
        await asyncio.sleep(0.15)
        ending = asyncio.create_task(here.server.drain(5))
        assert await silent.rest() == b""
        assert not ending.done()
        partial.send(GET[-2:])
        await until(lambda: app.calls == 2)
        app.go.set()
        for client in (busy, partial):
            head, content = await client.answer()
            assert content == b"GET /a "
            assert b"\r\nconnection: close\r\n" in head
            assert await client.rest() == b""
        await ending


async def test_drain_waits_briefly_for_the_next_request(monkeypatch):
    monkeypatch.setattr("chrysaetos.http.server.connection._RECENT", 1.0)
    async with running() as here:
        client = await here.client()
        client.send(GET)
        await client.answer()
        ending = asyncio.create_task(here.server.drain(5))
        await asyncio.sleep(0.02)
        client.send(GET)
        assert (await client.answer())[1] == b"GET /a "
        assert await client.rest() == b""
        await ending


async def test_drain_aborts_slow_requests():
    app = Held()
    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        await until(lambda: app.calls == 1)
        await here.server.drain(0.1)
        assert app.cancelled == 1
        assert await client.rest() == b""
        assert not here.server.connections
