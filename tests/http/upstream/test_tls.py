"""Connections to the upstream with TLS."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from tests.fakes.upstream import Peer, answer
from tests.support.upstream_pool import echo, get, on_both_loops, read, serving

from chrysaetos.errors import Unavailable
from chrysaetos.http.upstream.response import UpstreamBroken


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
    theirs, ours = certified("127.0.0.1")
    async with serving(echo, server_tls=theirs, tls=ours) as (server, upstream):
        for target in (b"/1", b"/2", b"/3"):
            assert (await get(upstream, target)).body == target
        assert server.accepted == 1
        assert b"Host: 127.0.0.1:%d\r\n" % server.port in server.requests[0]


@on_both_loops
async def test_tls_streams_and_fails_like_tcp() -> None:
    theirs, ours = certified("127.0.0.1")
    body = bytes(range(256)) * 40_000

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer(body))
        await peer.request()
        await peer.send(answer(body)[:-1])

    async with serving(script, server_tls=theirs, tls=ours) as (server, upstream):
        response = await get(upstream)
        await asyncio.sleep(0.1)
        assert await read(response) == body
        with pytest.raises(UpstreamBroken):
            await read(await get(upstream))
        assert server.accepted == 1


@pytest.mark.parametrize(
    ("named", "trusted"), [("other.example", True), ("127.0.0.1", False)], ids=["name", "authority"]
)
@on_both_loops
async def test_certificate_of_another_server(named: str, trusted: bool) -> None:
    theirs, ours = certified(named)
    if not trusted:
        ours = certified(named)[1]
    async with serving(echo, server_tls=theirs, tls=ours) as (server, upstream):
        with pytest.raises(Unavailable):
            await get(upstream)
        assert server.requests == []
