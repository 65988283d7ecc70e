"""The pool of connections to the upstream."""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import Any

import pytest
from tests.fakes.upstream import Peer, RawUpstream, answer, answering, silence
from tests.support.upstream_pool import (
    CHUNKED,
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

from chrysaetos import __version__
from chrysaetos.errors import ApiError, Unavailable
from chrysaetos.http.upstream.pool import Upstream, UpstreamBroken, UpstreamOptions

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
async def test_redirect_is_not_followed() -> None:
    redirect = answer(status=b"302 Found", headers=(b"Location: http://127.0.0.1:1/",))
    async with serving(answering(redirect)) as (server, upstream):
        assert (await get(upstream)).status == 302
        assert len(server.requests) == 1


@on_both_loops
async def test_invalid_request_opens_no_connection() -> None:
    async with serving(echo) as (server, upstream):
        with pytest.raises(ValueError, match="header"):
            await get(upstream, headers=[(b"A", b"b\r\nX-Scope-OrgID: c")])
        with pytest.raises(ValueError, match="target"):
            await get(upstream, b"/ HTTP/1.1\r\nA: b")
        assert server.accepted == 0


# unexpected bytes


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


# connections that were closed


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
