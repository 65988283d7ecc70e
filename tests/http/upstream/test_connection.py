"""A connection to the upstream: its states, its deadlines, and what closes it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from tests.fakes.held_connection import Held
from tests.fakes.upstream import Peer, answer, silence
from tests.support.upstream_pool import (
    CHUNKED,
    CLOSING,
    POISON,
    cancelled,
    echo,
    get,
    on_both_loops,
    path_of,
    read,
    serving,
)
from tests.support.waiting import until

from chrysaetos.errors import BadGateway, GatewayTimeout, Unavailable
from chrysaetos.http.upstream.connection import NoResponse
from chrysaetos.http.upstream.response import UpstreamBroken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ANSWER = answer(b"x")


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    sock, peer = socket.socketpair()
    with sock, peer:
        connection = Held(sock, peer)
        yield connection
        connection.connection.abort()


# states


async def test_complete_response_makes_the_connection_idle_again(held: Held) -> None:
    for _ in range(2):
        assert held.connection.usable()
        waiter = held.send()
        assert held.reports == []
        held.connection.data_received(ANSWER)
        assert (await waiter).body == b"x"
        assert held.reports.pop() == "complete"
    assert held.transport.written == b"request" * 2
    assert held.connection.usable()


@pytest.mark.parametrize("data", [answer(b"x", headers=(b"Connection: close",)), CLOSING + b"x"])
async def test_response_that_ends_the_connection_closes_it(held: Held, data: bytes) -> None:
    waiter = held.send()
    held.connection.data_received(data)
    held.connection.eof_received()
    assert await read(await waiter) == b"x"
    assert (held.reports, held.transport.aborted) == (["closed while busy"], True)


@pytest.mark.parametrize("state", [{"unwritten": 1}, {"aborted": True}])
async def test_connection_whose_request_was_not_fully_written_is_not_reused(
    held: Held, state: dict[str, int]
) -> None:
    waiter = held.send()
    vars(held.transport).update(state)
    held.connection.data_received(ANSWER)
    assert (await waiter).body == b"x"
    assert held.reports == ["closed while busy"]


@pytest.mark.parametrize("fault", ["byte", "eof", "expired"])
async def test_idle_connection_that_closes_releases_no_slot(held: Held, fault: str) -> None:
    if fault == "byte":
        held.connection.data_received(ANSWER)
    elif fault == "eof":
        held.connection.eof_received()
    else:
        held.connection.set_idle(0.01)
    await until(lambda: held.connection.closed)
    assert (held.reports, held.transport.aborted) == (["closed"], True)
    assert not held.connection.usable()


@pytest.mark.parametrize("fault", ["byte", "eof"])
async def test_connection_is_not_usable_once_the_kernel_has_received_something(
    held: Held, fault: str
) -> None:
    if fault == "byte":
        held.peer.send(b"x")
    else:
        held.peer.shutdown(socket.SHUT_WR)
    assert not held.connection.closed
    assert not held.connection.usable()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NoResponse),
        (b"HTTP/1.1 200", BadGateway),
        (b"garbage\r\n\r\n", BadGateway),
        (b"H" * 1001, BadGateway),
        (ANSWER + ANSWER, BadGateway),
    ],
)
async def test_faulty_response_closes_the_connection_and_releases_its_slot_once(
    held: Held, data: bytes, error: type[Exception]
) -> None:
    waiter = held.send()
    if data:
        held.connection.data_received(data)
    held.connection.eof_received()
    held.connection.connection_lost(None)
    with pytest.raises(error):
        await waiter
    assert held.reports == ["closed while busy", "socket closed"]


async def test_body_that_is_cut_off_is_counted(held: Held) -> None:
    waiter = held.send()
    held.connection.data_received(answer(b"xy")[:-1])
    held.connection.connection_lost(ConnectionResetError())
    with pytest.raises(UpstreamBroken, match="cut off"):
        await read(await waiter)
    assert held.reports == ["closed while busy", "cut off", "socket closed"]


async def test_deadline_of_the_headers_closes_the_connection(held: Held) -> None:
    waiter = held.send(0.01)
    held.connection.data_received(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(GatewayTimeout):
        await waiter
    assert held.reports == ["closed while busy"]


async def test_cancelled_caller_closes_only_its_own_request(held: Held) -> None:
    first = held.send()
    held.connection.data_received(ANSWER)
    second = held.send()
    held.connection.cancel(first)
    assert held.reports == ["complete"]
    held.connection.cancel(second)
    assert held.reports == ["complete", "closed while busy"]


async def test_abort_fails_the_request_in_flight_with_its_error(held: Held) -> None:
    waiter = held.send()
    for _ in range(2):
        held.connection.abort(Unavailable("shutting down"))
    with pytest.raises(Unavailable, match="shutting down"):
        await waiter
    assert held.reports == ["closed while busy"]


# with a server


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
async def test_response_before_the_request_is_written_closes_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(answer(status=b"413 Content Too Large"))
        await peer.gone()

    async with serving(script) as (_, upstream):
        response = await get(upstream, method="POST", body=bytes(30_000_000))
        assert response.status == 413
        assert upstream.idle == 0


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
