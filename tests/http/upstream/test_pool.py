from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import hashlib
import inspect
import random
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import uvloop
from tests.fakes.upstream import Peer, RawUpstream, Script, answer, answering, silence
from tests.support.waiting import until

from chrysaetos import __version__
from chrysaetos.errors import ApiError, BadGateway, GatewayTimeout, Unavailable
from chrysaetos.http.upstream.pool import Upstream, UpstreamBroken, UpstreamOptions, UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
POISON = answer(b"of somebody else")


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on uvloop, like the gateway, and on asyncio; nothing may be left open afterwards."""

    @functools.wraps(test)
    def run(loop: str, **arguments: Any) -> None:
        reports: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: reports.append(context))
            runner.run(asyncio.wait_for(test(**arguments), 30))
            gc.collect()
        assert reports == []

    signature = inspect.signature(test)
    first = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = signature.replace(parameters=[first, *signature.parameters.values()])  # type: ignore[attr-defined]
    decorated: Callable[..., None] = pytest.mark.parametrize("loop", LOOPS)(run)
    return decorated


@contextlib.asynccontextmanager
async def serving(
    script: Script, *, server_tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[RawUpstream, Upstream]]:
    """Run a server with this script and a pool, which must have lost no slot when the block ends."""
    async with RawUpstream(script, tls=server_tls) as server:
        upstream = Upstream(UpstreamOptions(**{"host": "127.0.0.1", "port": server.port, **options}))
        try:
            yield server, upstream
            assert upstream.in_use == 0
            assert upstream.waiting == 0
        finally:
            await upstream.close()
        assert upstream.idle == 0
        assert not upstream._open


async def get(upstream: Upstream, target: bytes = b"/", **more: Any) -> UpstreamResponse:
    return await upstream.request(**{"method": "GET", "target": target, "timeout": 5, **more})


async def read(response: UpstreamResponse) -> bytes:
    return b"".join([piece async for piece in response])


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def path_of(request: bytes) -> bytes:
    return request.split(b" ", 2)[1]


async def echo(peer: Peer) -> None:
    while True:
        await peer.send(answer(path_of(await peer.request())))


# the path of a request


@on_both_loops
async def test_connections_are_kept_and_counted() -> None:
    async with serving(answering(answer(b"one"), answer(b"two"))) as (server, upstream):
        first = await get(upstream)
        second = await get(upstream)
        assert (first.status, first.body, second.body) == (200, b"one", b"two")
        assert (first.headers, first.content_length) == ([(b"content-length", b"3")], 3)
        assert (server.accepted, upstream.opened, upstream.reused, upstream.idle) == (1, 1, 1, 1)
        assert (upstream.errors, upstream.retried) == (0, 0)


@on_both_loops
async def test_request_arrives_with_its_method_headers_and_body() -> None:
    options: dict[str, Any] = {
        "path_prefix": "/prom",
        "static_headers": (("X-Scope-OrgID", "cloud"),),
    }
    async with serving(echo, **options) as (server, upstream):
        await get(upstream, b"/a?b=%20", method="POST", body=b"query=up", headers=[(b"Accept", b"*/*")])
        assert server.requests == [
            b"POST /prom/a?b=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: chrysaetos/%b\r\n"
            b"X-Scope-OrgID: cloud\r\nAccept: */*\r\nContent-Length: 8\r\n\r\nquery=up"
            % (server.port, __version__.encode())
        ]


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
async def test_redirect_is_not_followed() -> None:
    redirect = answer(status=b"302 Found", headers=(b"Location: http://127.0.0.1:1/",))
    async with serving(answering(redirect)) as (server, upstream):
        assert (await get(upstream)).status == 302
        assert len(server.requests) == 1


@on_both_loops
async def test_content_codings_are_not_decoded() -> None:
    async with serving(answering(answer(b"\x1f\x8b\0\xff", headers=(b"Content-Encoding: gzip",)))) as (
        _,
        upstream,
    ):
        response = await get(upstream)
        assert response.body == b"\x1f\x8b\0\xff"
        assert (b"content-encoding", b"gzip") in response.headers


@on_both_loops
async def test_invalid_request_opens_no_connection() -> None:
    async with serving(echo) as (server, upstream):
        with pytest.raises(ValueError, match="header"):
            await get(upstream, headers=[(b"A", b"b\r\nX-Scope-OrgID: c")])
        with pytest.raises(ValueError, match="target"):
            await get(upstream, b"/ HTTP/1.1\r\nA: b")
        assert server.accepted == 0


# incomplete and malformed responses


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

    async with serving(script, max_header_bytes=20_000) as (_, upstream):
        with pytest.raises(BadGateway, match="too large"):
            await get(upstream)
        assert sent < 5_000_000


# unexpected bytes


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


@pytest.mark.parametrize("excess", [b"x", b"\r\n", POISON])
@on_both_loops
async def test_byte_on_an_idle_connection_closes_it(excess: bytes) -> None:
    async with serving(echo) as (server, upstream):
        assert (await get(upstream, b"/1")).body == b"/1"
        await server.peers[0].send(excess)
        await until(lambda: upstream.idle == 0)
        assert (await get(upstream, b"/2")).body == b"/2"
        assert server.accepted == 2


@on_both_loops
async def test_bytes_that_the_loop_has_not_read_are_not_taken_for_a_response() -> None:
    async with serving(echo) as (server, upstream):
        assert (await get(upstream, b"/1")).body == b"/1"
        server.peers[0].send_now(POISON)
        assert upstream.idle == 1
        assert (await get(upstream, b"/2")).body == b"/2"
        assert (server.accepted, upstream.retried) == (2, 0)


@on_both_loops
async def test_connection_passed_to_a_waiting_request_is_checked() -> None:
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await asyncio.sleep(0.02)
        await peer.send(answer(path_of(request)))
        await peer.gone()

    async with serving(script, max_connections=1) as (server, upstream):
        first = asyncio.create_task(get(upstream, b"/1"))
        second = asyncio.create_task(get(upstream, b"/2"))
        await until(lambda: upstream.waiting == 1)
        pass_on = upstream._pass_on

        def poisoned(connection: Any) -> None:
            vars(upstream).pop("_pass_on")
            server.peers[0].send_now(POISON)
            pass_on(connection)

        vars(upstream)["_pass_on"] = poisoned
        assert (await first).body == b"/1"
        assert (await second).body == b"/2"
        assert server.accepted == 2


@on_both_loops
async def test_response_before_the_request_is_written_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(answer(status=b"413 Content Too Large"))
        await peer.gone()

    async with serving(script) as (_, upstream):
        response = await get(upstream, method="POST", body=bytes(30_000_000))
        assert response.status == 413
        assert upstream.idle == 0


# connections that were closed


def dying(alive: int, data: bytes = b"", how: str = "close") -> Script:
    """Respond to so many requests on each connection; send this data to the next one and close."""

    async def script(peer: Peer) -> None:
        for _ in range(alive):
            await peer.send(answer(path_of(await peer.request())))
        await peer.request()
        if data:
            await peer.send(data)
            await asyncio.sleep(0.02)
        getattr(peer, how)()

    return script


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize(
    "request_",
    [{"method": "GET"}, {"method": "POST", "idempotent": True, "body": b"query=up"}],
    ids=["GET", "query by POST"],
)
@on_both_loops
async def test_read_is_retried_over_a_new_connection(request_: dict[str, Any], how: str) -> None:
    async with serving(dying(1, how=how)) as (server, upstream):
        await get(upstream, b"/1")
        assert (await get(upstream, b"/2", **request_)).body == b"/2"
        assert [path_of(request) for request in server.requests] == [b"/1", b"/2", b"/2"]
        assert server.requests[1] == server.requests[2]
        assert (upstream.retried, upstream.errors, server.accepted) == (1, 0, 2)


@on_both_loops
async def test_retry_does_not_use_an_idle_connection() -> None:
    async with serving(dying(1), max_connections=3) as (server, upstream):
        await asyncio.gather(*(get(upstream, b"/old") for _ in range(3)))
        assert upstream.idle == 3
        assert (await get(upstream, b"/new")).body == b"/new"
        assert server.accepted == 4
        assert upstream.idle + upstream.in_use <= 3


@on_both_loops
async def test_read_is_retried_only_once() -> None:
    async with serving(dying(0, how="reset")) as (server, upstream):
        with pytest.raises(BadGateway):
            await get(upstream)
        assert len(server.requests) == 2
        assert (upstream.retried, upstream.errors) == (1, 1)


@on_both_loops
async def test_write_is_not_retried() -> None:
    async with serving(dying(1)) as (server, upstream):
        await get(upstream)
        with pytest.raises(BadGateway, match="without a response"):
            await get(upstream, method="POST", body=b"x")
        assert len(server.requests) == 2
        assert upstream.retried == 0


@pytest.mark.parametrize("data", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"])
@on_both_loops
async def test_no_retry_after_the_first_byte(data: bytes) -> None:
    async with serving(dying(1, data)) as (server, upstream):
        await get(upstream)
        with pytest.raises(BadGateway, match="headers"):
            await get(upstream)
        assert len(server.requests) == 2


@on_both_loops
async def test_idle_connection_that_closes_is_dropped() -> None:
    async with serving(answering(answer(b"x"))) as (server, upstream):
        await get(upstream)
        server.peers[0].close()
        await until(lambda: upstream.idle == 0)
        assert (await get(upstream)).body == b"x"
        assert (server.accepted, upstream.retried) == (2, 0)


@on_both_loops
async def test_connection_refused() -> None:
    async with RawUpstream(silence) as server:
        port = server.port
    upstream = Upstream(UpstreamOptions(host="127.0.0.1", port=port))
    with pytest.raises(Unavailable) as caught:
        await get(upstream)
    assert (b"retry-after", b"1") in caught.value.headers()
    assert str(port) not in str(caught.value)
    assert (upstream.in_use, upstream.errors) == (0, 1)


@on_both_loops
async def test_connection_closed_immediately() -> None:
    async def script(peer: Peer) -> None:
        peer.close()

    async with serving(script) as (_, upstream):
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def late(*arguments: Any, **options: Any) -> Any:
            transport, connection = await connect(*arguments, **options)
            await until(lambda: connection.closed)
            return transport, connection

        vars(loop)["create_connection"] = late
        with pytest.raises(Unavailable, match="immediately"):
            await get(upstream)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70 + ".invalid"])
@on_both_loops
async def test_name_without_an_address(host: str) -> None:
    upstream = Upstream(UpstreamOptions(host=host, port=80))
    with pytest.raises(Unavailable):
        await get(upstream)
    assert upstream.in_use == 0


# deadlines


@on_both_loops
async def test_no_response_in_time() -> None:
    async with serving(silence) as (server, upstream):
        with pytest.raises(GatewayTimeout, match=r"0\.1 seconds"):
            await get(upstream, timeout=0.1)
        assert (upstream.idle, len(server.requests)) == (0, 1)


@on_both_loops
async def test_slow_headers_do_not_extend_the_deadline() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"A: b\r\n")
            await asyncio.sleep(0.01)

    async with serving(script) as (_, upstream):
        with pytest.raises(GatewayTimeout):
            await get(upstream, timeout=0.15)


@on_both_loops
async def test_a_shorter_deadline_follows_a_longer_one() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer())
        await peer.gone()

    async with serving(script) as (_, upstream):
        await get(upstream, timeout=20)
        async with asyncio.timeout(5):
            with pytest.raises(GatewayTimeout):
                await get(upstream, timeout=0.1)


@on_both_loops
async def test_a_longer_deadline_follows_a_shorter_one() -> None:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await asyncio.sleep(0.4 if path_of(request) == b"/slow" else 0)
            await peer.send(answer(b"x"))

    async with serving(script) as (server, upstream):
        await get(upstream, timeout=0.2)
        assert (await get(upstream, b"/slow", timeout=20)).body == b"x"
        assert server.accepted == 1


@on_both_loops
async def test_paused_body_times_out() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nab\r\n")
        await peer.gone()

    async with serving(script) as (_, upstream):
        response = await get(upstream, timeout=0.1)
        assert await anext(response) == b"ab"
        with pytest.raises(UpstreamBroken, match=r"0\.1 seconds"):
            await anext(response)


@on_both_loops
async def test_a_body_may_take_longer_than_the_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for _ in range(10):
            await asyncio.sleep(0.05)
            await peer.send(b"2\r\nab\r\n")
        await peer.send(b"0\r\n\r\n")
        await peer.gone()

    async with serving(script) as (_, upstream):
        assert await read(await get(upstream, timeout=0.3)) == b"ab" * 10


@on_both_loops
async def test_connection_timeout() -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    # accepts, but never continues the TLS handshake
    async with serving(script, tls=ssl.create_default_context(), connect_timeout=0.1) as (server, upstream):
        with pytest.raises(Unavailable, match="too long"):
            await get(upstream)
        assert (server.accepted, upstream.opened) == (1, 0)


@on_both_loops
async def test_no_slot_in_time() -> None:
    async with serving(silence, max_connections=1) as (server, upstream):
        holder = asyncio.create_task(get(upstream))
        await until(lambda: len(server.requests) == 1)
        with pytest.raises(Unavailable, match="busy"):
            await get(upstream, timeout=0.1)
        assert upstream.waiting == 0
        await cancelled(holder)


@on_both_loops
async def test_idle_connections_expire() -> None:
    async with serving(echo, idle_seconds=0.1) as (server, upstream):
        await get(upstream)
        assert upstream.idle == 1
        await until(lambda: upstream.idle == 0)
        await get(upstream)
        assert server.accepted == 2


@on_both_loops
async def test_no_more_idle_connections_than_allowed() -> None:
    async with serving(echo, max_idle=2) as (_, upstream):
        await asyncio.gather(*(get(upstream) for _ in range(5)))
        assert upstream.opened == 5
        assert upstream.idle == 2


# cancelled callers


@on_both_loops
async def test_cancelled_while_waiting_for_a_slot() -> None:
    async with serving(echo, max_connections=1) as (server, upstream):
        holder = asyncio.create_task(upstream._lease(asyncio.get_running_loop().time() + 5, fresh=False))
        connection = await holder
        waiters = [asyncio.create_task(get(upstream, b"/%d" % number)) for number in range(3)]
        await until(lambda: upstream.waiting == 3)
        await cancelled(waiters[0])
        assert upstream.waiting == 2
        upstream._pass_on(connection)
        assert (await waiters[1]).body == b"/1"
        assert (await waiters[2]).body == b"/2"
        assert server.accepted == 1


@on_both_loops
async def test_cancelled_at_the_moment_a_slot_is_assigned() -> None:
    async with serving(echo, max_connections=1) as (server, upstream):
        connection = await upstream._lease(asyncio.get_running_loop().time() + 5, fresh=False)
        waiters = [asyncio.create_task(get(upstream, b"/%d" % number)) for number in range(2)]
        await until(lambda: upstream.waiting == 2)
        upstream._pass_on(connection)
        await cancelled(waiters[0])
        assert (await waiters[1]).body == b"/1"
        assert (server.accepted, upstream.idle) == (1, 1)


@on_both_loops
async def test_cancelled_while_connecting() -> None:
    async with serving(echo) as (_, upstream):
        for turns in range(8):
            task = asyncio.create_task(get(upstream))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not task.done():
                await cancelled(task)
            assert upstream.in_use == 0


@on_both_loops
async def test_cancelled_while_waiting_for_the_headers() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()
        gone.set()

    async with serving(script) as (server, upstream):
        task = asyncio.create_task(get(upstream))
        await until(lambda: len(server.requests) == 1)
        await cancelled(task)
        assert (upstream.in_use, upstream.idle, upstream.errors) == (0, 0, 0)
        await asyncio.wait_for(gone.wait(), 5)


@pytest.mark.parametrize("first", ["answer", "cancel"])
@pytest.mark.parametrize("data", [answer(b"late"), CHUNKED + b"2\r\nab\r\n", b"garbage"])
@on_both_loops
async def test_cancelled_at_the_moment_the_response_arrives(data: bytes, first: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with serving(script) as (server, upstream):
        task = asyncio.create_task(get(upstream))
        await until(lambda: len(server.requests) == 1)
        (connection,) = upstream._open
        if first == "answer":
            connection.data_received(data)
        task.cancel()
        if first == "cancel":
            connection.data_received(data)
        await cancelled(task)
        assert upstream.in_use == 0
        assert upstream.idle == (data == answer(b"late"))


@on_both_loops
async def test_cancelled_while_waiting_for_the_body() -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nab\r\n")
        await peer.gone()
        gone.set()

    async with serving(script) as (_, upstream):
        response = await get(upstream)
        task = asyncio.create_task(read(response))
        await asyncio.sleep(0.02)
        await cancelled(task)
        assert (upstream.in_use, upstream.idle, upstream.errors) == (0, 0, 0)
        await asyncio.wait_for(gone.wait(), 5)


@on_both_loops
async def test_aborted_body_closes_its_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nab\r\n")
        await peer.gone()

    async with serving(script) as (_, upstream):
        response = await get(upstream)
        response.abort()
        response.abort()
        assert (upstream.in_use, upstream.idle) == (0, 0)
        with pytest.raises(UpstreamBroken, match="aborted"):
            await read(response)


# back-pressure


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


# TLS


def certified(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context with a certificate for the name, and a client's that trusts its CA."""
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    return server_side, client_side


@on_both_loops
async def test_tls() -> None:
    theirs, ours = certified("prom.example")
    async with serving(echo, server_tls=theirs, tls=ours, server_hostname="prom.example") as (
        server,
        upstream,
    ):
        for target in (b"/1", b"/2", b"/3"):
            assert (await get(upstream, target)).body == target
        assert server.accepted == 1
        assert b"Host: 127.0.0.1:%d\r\n" % server.port in server.requests[0]


@on_both_loops
async def test_tls_streams_and_fails_like_tcp() -> None:
    theirs, ours = certified("prom.example")
    body = bytes(range(256)) * 40_000

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(body))
        await peer.request()
        await peer.send(answer(body)[:-1])

    async with serving(script, server_tls=theirs, tls=ours, server_hostname="prom.example") as (
        server,
        upstream,
    ):
        response = await get(upstream)
        await asyncio.sleep(0.1)
        assert await read(response) == body
        with pytest.raises(UpstreamBroken):
            await read(await get(upstream))
        assert server.accepted == 1


@pytest.mark.parametrize(
    ("named", "trusted"), [("other.example", True), ("prom.example", False)], ids=["name", "authority"]
)
@on_both_loops
async def test_certificate_of_another_server(named: str, trusted: bool) -> None:
    theirs, ours = certified(named)
    if not trusted:
        ours = certified(named)[1]
    async with serving(echo, server_tls=theirs, tls=ours, server_hostname="prom.example") as (
        server,
        upstream,
    ):
        with pytest.raises(Unavailable):
            await get(upstream)
        assert server.requests == []


# many at once


@on_both_loops
async def test_more_requests_than_connections() -> None:
    async with serving(echo, max_connections=7) as (server, upstream):
        targets = [b"/%d" % number for number in range(300)]
        responses = await asyncio.gather(*(get(upstream, target) for target in targets))
        assert [response.body for response in responses] == targets
        assert server.peak <= 7
        assert (upstream.opened, upstream.reused) == (server.accepted, 300 - server.accepted)


@on_both_loops
async def test_longest_waiting_request_is_served_first() -> None:
    async with serving(echo, max_connections=1) as (server, upstream):
        await asyncio.gather(*(get(upstream, b"/%d" % number) for number in range(20)))
        assert [path_of(request) for request in server.requests] == [b"/%d" % number for number in range(20)]


@on_both_loops
async def test_the_connection_used_last_is_taken_first() -> None:
    async with serving(echo) as (_, upstream):
        await asyncio.gather(*(get(upstream) for _ in range(4)))
        oldest = upstream._idle[:3]
        for _ in range(5):
            await get(upstream)
        assert upstream._idle[:3] == oldest


@pytest.mark.parametrize("seed", range(4))
@on_both_loops
async def test_no_mix_of_faults_loses_a_slot_or_a_response(seed: int) -> None:
    dice = random.Random(seed)  # no secrets

    async def script(peer: Peer) -> None:
        while True:
            path = path_of(await peer.request())
            fate = dice.randrange(10)
            if fate < 4:
                await peer.send(answer(path))
            elif fate == 4:
                await peer.send(CHUNKED, b"%x\r\n%b\r\n" % (len(path), path), b"0\r\n\r\n")
            elif fate == 5:
                await peer.send(answer(path) + POISON)
            elif fate == 6:
                await peer.send(answer(path)[:-1])
                return
            elif fate == 7:
                peer.reset()
                return
            elif fate == 8:
                await peer.send(b"garbage")
            else:
                await peer.gone()

    outcomes = {"answered": 0, "failed": 0, "cancelled": 0}

    async def one(upstream: Upstream, number: int) -> None:
        target = b"/%d" % number
        try:
            async with asyncio.timeout(dice.choice([0.001, 0.01, 0.05, 1])):
                body = await read(await get(upstream, target, timeout=dice.choice([0.02, 0.1, 0.5])))
        except (ApiError, UpstreamBroken):
            outcomes["failed"] += 1
        except TimeoutError:
            outcomes["cancelled"] += 1
        else:
            assert body == target
            outcomes["answered"] += 1

    async with serving(script, max_connections=5) as (_, upstream):
        for number in range(0, 200, 40):
            await asyncio.gather(*(one(upstream, number + offset) for offset in range(40)))
        await until(lambda: upstream.in_use == 0)
        assert upstream.idle <= 5
    assert min(outcomes.values()) > 5


# closing


@on_both_loops
async def test_close_fails_requests_in_flight() -> None:
    async def script(peer: Peer) -> None:
        if path_of(await peer.request()) == b"/body":
            await peer.send(CHUNKED + b"2\r\nab\r\n")
        await peer.gone()

    async with serving(script, max_connections=2) as (server, upstream):
        body = await get(upstream, b"/body")
        head = asyncio.create_task(get(upstream, b"/head"))
        slot = asyncio.create_task(get(upstream, b"/slot"))
        await until(lambda: upstream.waiting == 1 and len(server.requests) == 2)
        await upstream.close()
        with pytest.raises(UpstreamBroken):
            await read(body)
        for task in (head, slot):
            with pytest.raises(Unavailable, match="shutting down"):
                await task
        with pytest.raises(Unavailable, match="shutting down"):
            await get(upstream)
        assert len(server.requests) == 2


@on_both_loops
async def test_close_while_connecting() -> None:
    async with serving(echo) as (server, upstream):
        task = asyncio.create_task(get(upstream))
        await asyncio.sleep(0)
        await upstream.close()
        with pytest.raises(Unavailable, match="shutting down"):
            await task
        assert server.requests == []
