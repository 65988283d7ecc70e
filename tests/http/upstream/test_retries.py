"""Requests that are sent again because their connection was closed, and those that are not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.upstream import Peer, Script, answer
from tests.support.upstream_pool import get, on_both_loops, path_of, serving

from chrysaetos.errors import BadGateway


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
