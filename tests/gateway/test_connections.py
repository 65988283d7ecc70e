"""Cancellation, sharing, slow clients and draining, with real connections on both sides of the gateway.

At the end of each test, no slot and no connection is in use. Half-closed connections are tested in
``test_half_close.py``.
"""

import asyncio
from contextlib import suppress

import pytest
from tests.fakes.upstream import answer, silence
from tests.support.gateway import ANSWER, BODY, GET, gateway, request
from tests.support.waiting import until

from chrysaetos.http.server import server as server_module

LONG = 40_000_000


async def test_cancellation_by_a_disconnect_closes_the_upstream_connection():
    async with gateway(silence) as g:
        client = await g.client()
        client.send(GET)
        await g.reached()
        client.writer.transport.abort()
        await g.cancelled()


@pytest.mark.parametrize("leaves", [0, 1])
async def test_sharing_continues_without_a_client_that_disconnects(leaves):
    go = asyncio.Event()

    async def held(peer):
        while True:
            await peer.request()
            await go.wait()
            await peer.send(ANSWER)

    async with gateway(held) as g:
        clients = [await g.client(), await g.client()]
        for client in clients:
            client.send(GET)
            await g.reached()
        await until(lambda: len(g.http.connections - set(g.http.waiting)) == 2)
        assert len(g.server.requests) == 1
        clients.pop(leaves).half_close()
        await until(lambda: g.watcher.seen)
        go.set()
        assert await clients[0].answer() == (200, BODY)
        # Without the client whose request it was, the other one sends its own.
        assert len(g.server.requests) == (2 if leaves == 0 else 1)


async def test_slow_client_pauses_the_upstream_and_gets_its_response():
    sent = 0

    async def long(peer):
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG)
        for _ in range(LONG // 100_000):
            await peer.send(b"x" * 100_000)
            sent += 100_000
        await peer.gone()

    async with gateway(long) as g:
        client = await g.client(limit=1000)
        client.send(GET)
        await until(lambda: sent)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < LONG
        assert (await g.ask(request("/nowhere")))[0] == 404  # others are served
        await client.head()
        assert len(await client.reader.readexactly(LONG)) == LONG


async def test_slow_client_that_reads_nothing_is_disconnected(monkeypatch):
    monkeypatch.setattr(server_module, "_TICK", 0.02)

    async def long(peer):
        await peer.request()
        await peer.send(answer(b"x" * LONG))
        await peer.gone()

    async with gateway(long, write_seconds=0.2) as g:
        client = await g.client(limit=1000)
        client.send(GET)
        await until(lambda: g.watcher.seen)
        await until(lambda: not g.http.connections and g.server.open == 0)
        with suppress(ConnectionError):
            assert len(await client.rest()) < LONG


@pytest.mark.parametrize("begun", [False, True])
async def test_drain_finishes_a_request_and_its_response(begun):
    go = asyncio.Event()
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"

    async def held(peer):
        await peer.request()
        await peer.send(whole[: -5 * begun] if begun else b"")
        await go.wait()
        await peer.send(whole[-5:] if begun else whole)
        await peer.gone()

    async with gateway(held) as g:
        client = await g.client()
        client.send(GET)
        await g.reached()
        if begun:
            await client.head()
        draining = asyncio.create_task(g.http.drain(20))
        await until(lambda: g.http.draining)
        go.set()
        if not begun:
            assert b"connection: close\r\n" in (await client.head()).lower()
        assert await client.rest() == b"0123456789"
        await draining


async def test_drain_aborts_a_request_that_takes_too_long(caplog):
    async with gateway(silence) as g:
        client = await g.client()
        client.send(GET)
        await g.reached()
        await g.http.drain(0.05)
        assert await client.rest() == b""
        await g.cancelled()
    assert "aborted 1 requests" in caplog.text
