"""Relaying of the upstream's response to the client."""

import asyncio

import pytest
from tests.fakes.app_client import Answer
from tests.fakes.body_source import BodySource
from tests.support.scripted_gateway import BODY, gateway

from chrysaetos.errors import BadGateway, ResponseTooLarge
from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.gateway.app.request import Request
from chrysaetos.gateway.proxy.relay import accepted_encodings, relay_response
from chrysaetos.http.upstream.response import BodyStream, UpstreamBroken, UpstreamResponse


async def relayed(response, limit=0):
    """Relay a response; return what the client gets."""
    got = Answer()
    await relay_response(response, Exchange("GET", "", got), limit)
    return got


def whole(status, body=b"body", headers=()):
    return UpstreamResponse(status, list(headers), len(body), body, None)


async def test_a_complete_response_is_one_piece_with_few_headers():
    headers = [(b"content-type", b"t"), (b"set-cookie", b"c"), (b"content-length", b"4"), (b"etag", b"e")]
    got = await relayed(whole(404, headers=headers))
    assert (got.status, got.pieces, got.complete) == (404, [b"body"], True)
    assert got.headers[:-1] == [
        (b"content-type", b"t"),
        (b"content-length", b"4"),
        (b"cache-control", b"no-store"),
    ]


@pytest.mark.parametrize(
    ("status", "given", "sent"),
    [
        (503, [], [(b"retry-after", b"1")]),
        (429, [], [(b"retry-after", b"1")]),
        (429, [(b"retry-after", b"30")], [(b"retry-after", b"30")]),
        (422, [(b"retry-after", b"30")], []),
        (200, [], []),
    ],
)
async def test_responses_to_retry_say_when(status, given, sent):
    got = await relayed(whole(status, headers=given))
    assert [header for header in got.headers if header[0] == b"retry-after"] == sent


@pytest.mark.parametrize("status", [301, 304, 307, 401, 403, 407])
async def test_responses_meant_for_the_gateway_are_not_relayed(status):
    got = Answer()
    with pytest.raises(BadGateway):
        await relay_response(whole(status), Exchange("GET", "", got), 0)
    assert got.status == 0


async def test_a_content_length_over_the_limit_is_rejected_before_the_start():
    await relayed(whole(200), 4)
    got = Answer()
    with pytest.raises(ResponseTooLarge):
        await relay_response(whole(200), Exchange("GET", "", got), 3)
    assert got.status == 0


async def test_a_response_that_is_cut_off_is_left_incomplete_and_aborted():
    source = BodySource()
    stream = BodyStream(source)
    stream.push(b"some")

    class Breaking(UpstreamResponse):
        async def __anext__(self):
            piece = await super().__anext__()
            stream.finish(UpstreamBroken("cut"))
            return piece

    got = await relayed(Breaking(200, [], None, None, stream))
    assert (got.pieces, got.complete) == ([b"some"], False)
    assert source.aborted is False  # it was complete


def streaming(source, status=200):
    return UpstreamResponse(status, [], None, None, BodyStream(source))


@pytest.mark.parametrize("status", [302, 403])
async def test_the_connection_of_a_response_that_is_not_for_clients_is_released(status):
    source = BodySource()
    with pytest.raises(BadGateway):
        await relayed(streaming(source, status))
    assert source.aborted


async def test_cancelling_while_sending_releases_the_upstream_connection():
    class Stuck(Answer):
        paused = True

        async def drained(self):
            blocked.set()
            await asyncio.get_running_loop().create_future()

    source = BodySource()
    response = streaming(source)
    response._stream.push(b"some")
    blocked = asyncio.Event()
    task = asyncio.create_task(relay_response(response, Exchange("GET", "", Stuck()), 0))
    await blocked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.aborted


class Asking(Request):
    def __init__(self, value):
        self.headers = [] if value is None else [(b"accept-encoding", value)]


@pytest.mark.parametrize(
    ("value", "takes"),
    [(None, False), (b"gzip", True), (b"br, gzip;q=0.5", True), (b"gzip;q=0", False)],
)
def test_gzip_is_requested_if_the_client_accepts_it(value, takes):
    assert bool(accepted_encodings(Asking(value))) is takes


async def test_a_response_over_the_limit_is_an_error_or_cut_off():
    async with gateway(max_response_bytes=len(BODY)) as g:
        assert (await g.get("/api/v1/query?query=up")).status == 200
    async with gateway(max_response_bytes=len(BODY) - 1) as g:
        response = await g.get("/api/v1/query?query=up")
        assert (response.status, response.json["errorType"]) == (422, "execution")
        assert "max_response_bytes" in response.json["error"]

    async def endless(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"5\r\nxxxxx\r\n"] * 100)

    async with gateway(endless, max_response_bytes=50) as g:
        response = await g.get("/api/v1/query?query=up")
        assert (response.status, response.complete) == (200, False)
        assert len(response.body) <= 50


async def cut(peer):
    """Run as a script that cuts off the body of a response."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await asyncio.sleep(0.05)
    peer.close()


async def test_a_response_that_is_cut_off_is_left_incomplete():
    async with gateway(cut) as g:
        response = await g.get("/api/v1/query?query=up")
        assert response.status == 200
        assert response.body == b"half"
        assert not response.complete


async def test_a_long_response_is_streamed():
    pieces = [b"x" * 70_000, b"y" * 70_000]

    async def slow(peer):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 140000\r\n\r\n", *pieces)
        await peer.gone()

    async with gateway(slow) as g:
        response = await g.get("/api/v1/query?query=up")
        assert response.complete
        assert response.body == b"".join(pieces)
        assert len(response.pieces) > 2


@pytest.mark.parametrize(("token", "scope"), [("tenant", b"restricted"), ("admin", b"all")])
async def test_only_harmless_response_headers_are_relayed(token, scope):
    async with gateway() as g:
        response = await g.get("/api/v1/query?query=up", token)
        assert response.headers[:-1] == [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(BODY)),
            (b"cache-control", b"no-store"),
            (b"x-chrysaetos-scope", scope),
        ]
        assert response.headers[-1][0] == b"x-openstack-request-id"


async def test_a_response_that_is_cut_off_is_observed_as_incomplete():
    async with gateway(cut) as g:
        await g.get("/api/v1/query?query=up")
        (exchange,) = g.watcher.seen
        assert (exchange.status, exchange.complete, exchange.sent) == (200, False, 4)
