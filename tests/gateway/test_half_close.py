"""Clients and upstreams that half-close: they shut down their writing side, and can still read."""

import asyncio

import pytest
from tests.fakes.upstream import silence
from tests.support.gateway import ANSWER, BODY, GET, first_then, gateway, request
from tests.support.waiting import until

RULES = request("/api/v1/rules")
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


# Clients. The gateway cannot tell whether a client that closes its writing side still reads, and cancels its
# request (RFC 9112, 9.5).


@pytest.mark.parametrize("sent", [GET, GET + GET, RULES], ids=["relayed", "pipelined", "filtered"])
@pytest.mark.parametrize("at_once", [False, True])
async def test_client_half_close_after_its_request_cancels_it(sent, at_once):
    async with gateway(first_then(silence)) as g:
        client = await g.client()
        client.send(sent)
        if not at_once:
            await g.reached()
        client.half_close()
        assert await client.rest() == b""
        if at_once:  # the end may arrive before the request has a connection to the upstream
            await until(lambda: g.watcher.seen or not g.http.connections)
        else:
            await g.cancelled()
        assert len(g.server.requests) <= 1


async def test_client_half_close_does_not_affect_others():
    go = asyncio.Event()

    async def held(peer):
        await peer.request()
        await go.wait()
        await peer.send(ANSWER)
        await peer.gone()

    async with gateway(held) as g:
        client, other = await g.client(), await g.client()
        client.send(GET)
        await g.reached()
        other.send(request("/api/v1/query?query=down"))
        await g.reached(2)
        client.half_close()
        assert await client.rest() == b""
        go.set()
        assert await other.answer() == (200, BODY)


async def test_client_half_close_in_its_response_cancels_it():
    async def begin(peer):
        await peer.request()
        await peer.send(LENGTH + b"begin")
        assert await peer.gone() == b""

    async with gateway(first_then(begin)) as g:
        client = await g.client()
        client.send(GET)
        assert b"content-length: 100\r\n" in (await client.head()).lower()
        assert await client.reader.readexactly(5) == b"begin"
        client.half_close()
        assert await client.rest() == b""
        await until(lambda: g.watcher.seen)
        await until(lambda: g.server.open == 0)
        assert await g.ask() == (200, BODY)


async def test_client_half_close_after_a_response_keeps_the_upstream_connection():
    async with gateway() as g:
        client = await g.client()
        client.send(GET)
        assert await client.answer() == (200, BODY)
        client.half_close()
        assert await client.rest() == b""
        assert await g.ask() == (200, BODY)
        assert g.server.accepted == 1


@pytest.mark.parametrize(
    "part", [GET[:-2], request(method="POST", body=b"query=up")[:-1]], ids=["headers", "body"]
)
async def test_client_half_close_in_its_request_reaches_no_upstream(part):
    async with gateway() as g:
        client = await g.client()
        client.send(part)
        client.half_close()
        assert await client.rest() == b""
        assert await g.ask() == (200, BODY)
        assert len(g.server.requests) == 1


# The upstream. It can still read after a half-close, and must get nothing more.


@pytest.mark.parametrize("start", [b"", LENGTH[:20], LENGTH], ids=["nothing", "line", "headers"])
async def test_upstream_half_close_in_a_filtered_response_is_a_bad_gateway(start):
    async def script(peer):
        await peer.request()
        await peer.send(start + b'{"status"' * (start == LENGTH))
        peer.half_close()
        assert await peer.gone() == b""

    async with gateway(script) as g:
        status, body = await g.ask(RULES)
        assert (status, b"errorType" in body) == (502, True)


async def test_upstream_half_close_in_the_headers_is_a_bad_gateway_for_each_that_shares():
    go = asyncio.Event()

    async def cut(peer):
        await peer.request()
        await peer.send(LENGTH[:20])
        await go.wait()
        peer.half_close()
        assert await peer.gone() == b""

    async with gateway(first_then(cut)) as g:
        clients = [await g.client(), await g.client()]
        for client in clients:
            client.send(GET)
        await g.reached()
        await until(lambda: len(g.http.connections - set(g.http.waiting)) == 2)
        go.set()
        for client in clients:
            status, body = await client.answer()
            assert status == 502
            assert b"in the middle of the response headers" in body
        assert len(g.server.requests) == 1  # no retry after the first byte of a response
        assert await g.ask() == (200, BODY)


@pytest.mark.parametrize(
    ("start", "begun"), [(LENGTH, b"begin"), (CHUNKED, b"5\r\nbegin\r\n")], ids=["length", "chunks"]
)
async def test_upstream_half_close_in_a_body_cuts_off_the_response(start, begun):
    go = asyncio.Event()

    async def cut(peer):
        await peer.request()
        await peer.send(start + begun)
        await go.wait()
        peer.half_close()
        assert await peer.gone() == b""

    async with gateway(first_then(cut)) as g:
        client = await g.client()
        client.send(GET)
        await client.head()
        assert await client.reader.readexactly(len(begun)) == begun
        go.set()
        assert await client.rest() == b""  # without the last bytes or the last chunk
        assert await g.ask() == (200, BODY)
        assert g.server.accepted == 2


async def test_upstream_half_close_ends_a_body_without_a_length():
    async def script(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY)
        peer.half_close()
        assert await peer.gone() == b""

    async with gateway(script) as g:
        client = await g.client()
        client.send(GET)
        assert b"transfer-encoding: chunked\r\n" in (await client.head()).lower()
        assert await client.reader.readuntil(b"\r\n0\r\n\r\n") == b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize("later", [False, True])
async def test_upstream_half_close_after_a_complete_response_ends_the_use_of_its_connection(later):
    go = asyncio.Event()

    async def script(peer):
        await peer.request()
        await peer.send(ANSWER)
        if later:
            await go.wait()
        peer.half_close()
        assert await peer.gone() == b""

    async with gateway(script) as g:
        client = await g.client()
        for number in range(1, 4):
            client.send(GET)
            assert await client.answer() == (200, BODY)
            go.set()
            assert g.server.accepted == number
            await until(lambda: g.server.open == 0)
            go.clear()
        assert len(g.server.requests) == 3


# A request that the upstream has not begun to answer.


async def close_unanswered(peer):
    await peer.request()
    peer.half_close()
    assert await peer.gone() == b""


async def test_retry_of_a_read_after_an_upstream_half_close():
    async with gateway(first_then(close_unanswered)) as g:
        assert await g.ask() == (200, BODY)
        assert (len(g.server.requests), g.server.accepted) == (2, 2)
        assert g.server.requests[0] == g.server.requests[1]


async def test_retry_happens_once():
    async with gateway(close_unanswered) as g:
        status, _ = await g.ask()
        assert (status, len(g.server.requests)) == (502, 2)


async def test_no_retry_of_a_write_after_an_upstream_half_close():
    write = request("/api/v1/admin/tsdb/delete_series?match[]=up", "admin", "POST")
    async with gateway(first_then(close_unanswered)) as g:
        status, _ = await g.ask(write)
        assert (status, len(g.server.requests)) == (502, 1)
