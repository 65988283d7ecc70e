"""Client connections over real sockets to small applications: requests, their limits and deadlines."""

import asyncio
import contextlib
import errno
import socket
import ssl

import pytest
import trustme
from tests.support.http_server import GET, Held, echo, running
from tests.support.memory import MIB, kept_bytes
from tests.support.upstream_pool import on_both_loops
from tests.support.waiting import until

from chrysaetos.http.server import server as http_server
from chrysaetos.http.server.limits import FramingLimits, ServerLimits
from chrysaetos.http.server.server import HttpServer
from chrysaetos.http.server.sockets import listen_tcp

pytestmark = pytest.mark.usefixtures("quick")


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


@on_both_loops
async def test_handshakes_that_do_not_end_do_not_block_another():
    authority = trustme.CA()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("h").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)
    (listening,) = listen_tcp("127.0.0.1", 0)
    address = listening.getsockname()
    server = HttpServer(echo, ServerLimits(connections=3), asyncio.get_running_loop())
    await server.accept([listening], ours)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address, 5)) for _ in range(6)]
        await until(lambda: len(server._handshakes) == 3)
        assert await asyncio.to_thread(silent[0].recv, 1) == b""
        reader, writer = await asyncio.open_connection(*address, ssl=theirs, server_hostname="h")
        writer.write(GET.replace(b"Host", b"Connection: close\r\nHost"))
        assert (await reader.read()).endswith(b"GET /a ")
        assert len(server._handshakes) == 2
        writer.close()
        await server.stop()
        await until(lambda: not server._handshakes)
        assert await asyncio.to_thread(silent[-1].recv, 1) == b""


async def test_accepting_goes_on_after_a_failure(monkeypatch, caplog):
    monkeypatch.setattr(http_server, "_ACCEPT_PAUSE", 0.01)
    (listening,) = listen_tcp("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    outcomes = [OSError(errno.EMFILE, "Too many open files"), asyncio.CancelledError()]

    async def failing(_sock):
        raise outcomes.pop(0)

    monkeypatch.setattr(loop, "sock_accept", failing)
    server = HttpServer(echo, ServerLimits(), loop)
    await server.accept([listening], ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    await until(lambda: not outcomes)
    await server.stop()
    assert caplog.messages == ["no connection can be accepted: Too many open files"]


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
        await until(lambda: here.server.unfinished.total == 600)
        second.send(PART)
        # The older one: that of a client that does not finish it would keep out everybody else's.
        answer = await first.rest()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in answer
        assert b"max_unfinished_bytes" in answer
        assert here.server.unfinished.total == 600
        assert sum(len(each._body) for each in here.server.connections) == 600
        third.send(GET)
        assert (await third.answer())[1] == b"GET /a "
        second.send(b"a" * 400)
        assert (await second.answer())[1] == b"POST /b " + b"a" * 1000
        assert here.server.unfinished.total == 0
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
        await until(lambda: here.server.unfinished.total > 0)
        client.writer.close()
        await until(lambda: not here.server.connections)
        assert here.server.unfinished.total == 0


async def test_pipelined_requests_make_room_for_those_of_others():
    app = Held()
    async with running(app, unfinished_bytes=1000) as here:
        busy = await here.client()
        busy.send(GET)
        await until(lambda: app.calls == 1)
        busy.send(GET * 40)
        await until(lambda: here.server.unfinished.full)
        client = await here.client()
        client.send(PART)
        assert await busy.rest() == b""
        assert app.cancelled == 1
        app.go.set()
        client.send(b"a" * 400)
        assert (await client.answer())[1] == b"POST /b " + b"a" * 1000
        assert here.server.unfinished.total == 0


async def test_pipelined_requests_are_not_read_at_the_limit():
    app = Held()
    async with running(app, unfinished_bytes=100) as here:
        client = await here.client()
        client.send(GET)
        await until(lambda: app.calls == 1)
        client.send(GET * 10)
        await until(lambda: here.server.unfinished.total == 10 * len(GET))
        (connection,) = here.server.connections
        assert not connection._reading
        app.go.set()
        for _ in range(11):
            assert (await client.answer())[1] == b"GET /a "
        assert here.server.unfinished.total == 0


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


async def large(_request, reply):
    """Send more than the kernel and the transport hold for a client that reads nothing."""
    reply.begin(200, [])
    for _ in range(1000):
        reply.write(bytes(16384), more=True)
        await reply.drained()
    reply.write(b"")


@pytest.mark.parametrize("data", [GET, b"malformed\r\n\r\n"], ids=["response", "error"])
async def test_clients_that_do_not_read_their_responses_do_not_block_another(data):
    async def app(request, reply):
        await (echo if request.path == b"/other" else large)(request, reply)

    async with running(app, connections=3) as here:
        for _ in range(6):
            (await here.client(limit=1024)).send(data)
            await asyncio.sleep(0.005)
        client = await here.client()
        client.send(GET.replace(b"/a", b"/other"))
        assert (await client.answer())[1] == b"GET /other "


async def short(_request, reply):
    reply.begin(200, [])
    reply.write(b"short")


@pytest.mark.parametrize(
    ("app", "data"),
    [
        (short, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (MIB, bytes(MIB))),
        (short, b"GET /?%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"q" * 100_000)),
        (short, b"GET / HTTP/1.1\r\nHost: h\r\nX: %b\r\n\r\n" % (b"x" * 60_000)),
        (large, b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (MIB, bytes(MIB))),
    ],
    ids=["body", "target", "headers", "body of an unread response"],
)
async def test_a_connection_that_waits_for_its_client_does_not_keep_the_request(app, data):
    async with running(app) as here:
        client = await here.client(limit=1024)

        async def ask():
            client.send(data)
            await client.head()
            (connection,) = here.server.connections
            await until(lambda: connection in here.server.waiting)

        # A response that is not read takes up to 64 KiB in the transport, and some on the client's side.
        assert await kept_bytes(ask) < (300_000 if app is large else 30_000)


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
