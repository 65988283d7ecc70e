"""Responses over real sockets: clients that leave or read slowly, failing applications, and the shutdown."""

import asyncio
import contextlib
import socket
import ssl

import pytest
import trustme
from tests.support.http_server import GET, Held, running
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("quick")


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


async def cancelled(ends):
    """Wait until the request is cancelled, and note that."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        ends.append(True)


async def test_disconnect_cancels_the_application():
    ends: list[bool] = []

    async def app(request, reply):
        await cancelled(ends)

    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        await asyncio.sleep(0.05)
        client.writer.write_eof()
        assert await client.rest() == b""
        assert ends == [True]


async def test_response_that_is_aborted_cancels_the_request():
    replies = []
    ends: list[bool] = []

    async def app(request, reply):
        reply.begin(200, [])
        reply.write(b"some", more=True)
        replies.append(reply)
        await cancelled(ends)

    async with running(app) as here:
        client = await here.client()
        client.send(GET)
        await until(lambda: replies)
        replies[0].abort()
        await until(lambda: ends)
        await until(lambda: not here.server.connections)


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


@pytest.mark.parametrize("connections", [1, 10])
async def test_tls_does_not_wait_for_a_client_to_close_its_side(connections):
    authority = trustme.CA()
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("h").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)

    def ask(port):
        """Ask without reading to the end: only that would end the client's side."""
        client = theirs.wrap_socket(socket.create_connection(("127.0.0.1", port), 5), server_hostname="h")
        client.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
        return client, client.recv(12)

    async with running(tls=ours, connections=connections) as here, contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            client, answer = await asyncio.to_thread(ask, here.port)
            stack.callback(client.close)
            assert answer == b"HTTP/1.1 200"
        await until(lambda: not here.server.connections)
