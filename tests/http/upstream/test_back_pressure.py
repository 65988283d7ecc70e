"""Responses of the upstream that arrive faster than their reader takes them."""

from __future__ import annotations

import asyncio
import hashlib

from tests.fakes.upstream import Peer, answer, answering
from tests.support.upstream_pool import get, on_both_loops, read, serving
from tests.support.waiting import until


@on_both_loops
async def test_slow_reader_pauses_the_upstream() -> None:
    total, piece = 50 * 1024 * 1024, bytes(range(256)) * 256
    sent = 0
    digest = hashlib.sha256()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.send(piece)
            sent += len(piece)
        await peer.gone()

    async with serving(script) as (_, upstream):
        # Far longer than the timeout: a slow reader must not count as a silent upstream.
        response = await get(upstream, timeout=0.3)
        first = await anext(response)
        digest.update(first)
        held = received = len(first)
        before = -1
        while sent != before:  # until the upstream can send no more
            before = sent
            await asyncio.sleep(0.4)
        assert sent < 20 * 1024 * 1024
        async for part in response:
            received += len(part)
            digest.update(part)
            held = max(held, len(part))
        assert received == total
        assert held <= 1024 * 1024
        assert upstream.idle == 1
    assert digest.digest() == hashlib.sha256(piece * (total // len(piece))).digest()


@on_both_loops
async def test_connection_is_read_again_after_a_paused_response() -> None:
    body = bytes(3 * 1024 * 1024)
    async with serving(answering(answer(body), answer(b"next"))) as (server, upstream):
        response = await get(upstream)
        await asyncio.sleep(0.1)
        assert await read(response) == body
        assert (await get(upstream)).body == b"next"
        server.peers[0].close()
        await until(lambda: upstream.idle == 0)


@on_both_loops
async def test_paused_connection_that_is_reused_is_read_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(b"hello")[:-1])
        await peer.gone()

    async with serving(script) as (server, upstream):
        response = await get(upstream)
        (connection,) = upstream._open
        # A transport may still deliver what it had read before it was paused.
        connection._transport.pause_reading()
        connection._paused = True
        connection.data_received(b"o")
        assert await read(response) == b"hello"
        assert upstream.idle == 1
        server.peers[0].close()
        await until(lambda: upstream.idle == 0)
