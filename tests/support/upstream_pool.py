"""A pool of connections to a scripted upstream, and tests that run on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from tests.fakes.upstream import Peer, RawUpstream, Script, answer

from chrysaetos.http.upstream.pool import Upstream, UpstreamOptions, UpstreamResponse

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Coroutine

__all__ = [
    "CHUNKED",
    "CLOSING",
    "POISON",
    "cancelled",
    "echo",
    "get",
    "on_both_loops",
    "path_of",
    "read",
    "serving",
]

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
