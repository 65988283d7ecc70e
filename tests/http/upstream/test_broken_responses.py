"""Responses of the upstream that are cut off, malformed, or followed by more bytes."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.upstream import Peer, answer, answering
from tests.support.upstream_pool import CHUNKED, CLOSING, POISON, get, on_both_loops, read, serving
from tests.support.waiting import until

from chrysaetos.errors import BadGateway
from chrysaetos.http.upstream.response import UpstreamBroken


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        CHUNKED + b"4\r\nhell\r\n",
        CHUNKED + b"9\r\nhell",
        CHUNKED + b"4\r\nhell\r\n0\r\n",
    ],
)
@on_both_loops
async def test_cut_off_body_is_an_error(data: bytes, how: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)
        await asyncio.sleep(0.02)
        getattr(peer, how)()

    async with serving(script) as (server, upstream):
        response = await get(upstream)
        assert response.body is None
        with pytest.raises(UpstreamBroken):
            await read(response)
        assert response.body is None
        assert len(server.requests) == 1
        assert (upstream.errors, upstream.idle) == (1, 0)


@on_both_loops
async def test_body_cut_off_with_its_first_read_is_an_error() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell")

    async with serving(script) as (_, upstream):
        response = await get(upstream)
        await until(lambda: upstream.in_use == 0)
        assert response.body is None
        with pytest.raises(UpstreamBroken):
            await anext(response)


@on_both_loops
async def test_reset_of_a_body_without_a_length_is_an_error() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CLOSING + b"hell")
        await asyncio.sleep(0.02)
        peer.reset()

    async with serving(script) as (_, upstream):
        with pytest.raises(UpstreamBroken):
            await read(await get(upstream))


@on_both_loops
async def test_malformed_chunk_fails_the_body() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nab\r\n", b"zz\r\n")
        await peer.gone()

    async with serving(script) as (_, upstream):
        with pytest.raises(UpstreamBroken, match="malformed"):
            await read(await get(upstream))


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nno end",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 99 X\r\n\r\n",
    ],
)
@on_both_loops
async def test_malformed_headers_are_a_bad_gateway(data: bytes) -> None:
    async with serving(answering(data)) as (server, upstream):
        with pytest.raises(BadGateway) as caught:
            await get(upstream, b"/?s=private", headers=[(b"A", b"private")])
        assert "private" not in str(caught.value)
        assert (upstream.idle, upstream.errors, len(server.requests)) == (0, 1, 1)


@pytest.mark.parametrize("drip", [b"A: b\r\n" * 200, b"A" * 1000])
@on_both_loops
async def test_endless_headers_are_cut_off(drip: bytes) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(drip)
            sent += len(drip)

    async with serving(script) as (_, upstream):
        with pytest.raises(BadGateway, match="too large"):
            await get(upstream)
        assert sent < 5_000_000


@pytest.mark.parametrize("excess", [b"x", POISON])
@on_both_loops
async def test_bytes_after_a_response_reject_it(excess: bytes) -> None:
    async with serving(answering(answer(b"mine") + excess)) as (_, upstream):
        with pytest.raises(BadGateway, match="follow the end"):
            await get(upstream)
        assert upstream.idle == 0


@on_both_loops
async def test_bytes_after_a_streamed_response_fail_its_body() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmi", b"ne" + POISON)
        await peer.gone()

    async with serving(script) as (_, upstream):
        with pytest.raises(UpstreamBroken, match="follow the end"):
            await read(await get(upstream))
