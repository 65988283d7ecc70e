"""Responses of the upstream, and reading a complete body."""

import pytest
from tests.fakes.body_source import streamed_response
from tests.fakes.upstream import Peer, answer, answering
from tests.support.upstream_pool import CHUNKED, CLOSING, get, on_both_loops, read, serving
from tests.support.waiting import until

from chrysaetos.http.upstream.response import BodyTooLong, UpstreamBroken, UpstreamResponse


async def test_body_is_read_to_its_end():
    whole, stream, connection = streamed_response(b"ab")
    stream.push(b"cd")
    stream.finish()
    assert await whole.read(4) == b"abcd"
    assert not connection.aborted
    assert await UpstreamResponse(200, [], 2, b"ab", None).read(2) == b"ab"
    assert await UpstreamResponse(204, [], None, b"", None).read(0) == b""


@pytest.mark.parametrize("content_length", [None, 5])
async def test_body_that_is_too_long_is_aborted_early(content_length):
    arrived = b"ab" if content_length else b"abcde"
    long, _, connection = streamed_response(arrived, content_length=content_length)
    with pytest.raises(BodyTooLong, match="longer than 4 bytes") as caught:
        await long.read(4)
    assert caught.value.beginning == (b"ab" if content_length else b"abcde")
    assert connection.aborted


async def test_body_that_is_cut_off_is_an_error():
    broken, stream, _ = streamed_response(b"ab")
    stream.finish(UpstreamBroken("cut"))
    with pytest.raises(UpstreamBroken):
        await anext(broken)  # nor are the bytes before the cut delivered


@on_both_loops
async def test_a_body_can_be_iterated_in_any_framing() -> None:
    async with serving(answering(answer(b"whole"), answer(), CHUNKED + b"2\r\nab\r\n0\r\n\r\n")) as (
        _,
        upstream,
    ):
        assert await read(await get(upstream)) == b"whole"
        empty = await get(upstream)
        assert empty.body == b""
        assert await read(empty) == b""
        assert await read(await get(upstream)) == b"ab"


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (answer(b"hello"), True),
        (CHUNKED + b"3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: t\r\n\r\n", True),
        (CLOSING + b"hello", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"hello"), True),
    ],
)
@on_both_loops
async def test_byte_by_byte(data: bytes, kept: bool) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*(data[at : at + 1] for at in range(len(data))))
            if not kept:
                return

    async with serving(script) as (_, upstream):
        assert await read(await get(upstream)) == b"hello"
        assert upstream.idle == kept
        assert await read(await get(upstream)) == b"hello"


@on_both_loops
async def test_body_that_arrived_in_the_meantime_is_complete() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED, b"2\r\nab\r\n", b"0\r\n\r\n")
        await peer.gone()

    async with serving(script) as (_, upstream):
        response = await get(upstream)
        assert response.body is None
        await until(lambda: response.body == b"ab")
        response.abort()
        assert upstream.idle == 1
        assert await read(response) == b"ab"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@on_both_loops
async def test_statuses_without_a_body(status: bytes) -> None:
    head = answer(status=status, headers=(b"ETag: x",), length=False)
    async with serving(answering(head, answer(b"next"))) as (server, upstream):
        assert (await get(upstream)).body == b""
        assert (await get(upstream)).body == b"next"
        assert server.accepted == 1


@on_both_loops
async def test_head() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as (server, upstream):
        for _ in range(2):
            response = await get(upstream, method="HEAD")
            assert (response.body, response.content_length) == (b"", 5)
        assert server.accepted == 2


@on_both_loops
async def test_interim_responses_are_skipped() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n", answer(status=b"103 Early Hints", length=False))
        await peer.send(answer(b"x"))
        await peer.gone()

    async with serving(script) as (_, upstream):
        response = await get(upstream)
        assert (response.status, response.body) == (200, b"x")


@on_both_loops
async def test_content_codings_are_not_decoded() -> None:
    async with serving(answering(answer(b"\x1f\x8b\0\xff", headers=(b"Content-Encoding: gzip",)))) as (
        _,
        upstream,
    ):
        response = await get(upstream)
        assert response.body == b"\x1f\x8b\0\xff"
        assert (b"content-encoding", b"gzip") in response.headers
