"""The listener for the metrics."""

import asyncio
import contextlib
import os
import socket
from contextlib import asynccontextmanager

import pytest

from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.gateway.telemetry.metrics_server import MetricsServer

NAMES = ("host", "port")
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(render=lambda: b"up 1\n", ports=(0,)):
    server = MetricsServer(render, "127.0.0.1", ports, NAMES)
    await server.start()
    try:
        yield server
    finally:
        async with asyncio.timeout(2):
            await server.close()


async def exchange(server, request=GET):
    """Return the header lines and the body of the response to a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


async def test_the_metrics_are_served():
    async with serving(Telemetry().render) as server:
        (line, *headers), body = await exchange(server)
    assert line == b"HTTP/1.1 200 OK"
    assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in headers
    assert b"chrysaetos_build_info" in body


async def test_healthy():
    async with serving() as server:
        assert (await exchange(server, GET.replace(b"/metrics", b"/-/healthy")))[1] == b"OK\n"


async def test_failing_metrics_are_an_error(caplog):
    async with serving(lambda: 1 // 0) as server:
        (line, *_), body = await exchange(server)
    assert line == b"HTTP/1.1 500 Internal Server Error"
    assert b"Zero" not in body
    assert "ZeroDivisionError" in caplog.text


async def test_many_silent_clients_do_not_block_a_scrape_or_fill_the_log(caplog):
    async with serving() as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(700)]
        assert (await exchange(server))[1] == b"up 1\n"
        assert len(server._server.connections) <= server._server.limits.connections
        for _, writer in held:
            writer.close()
    assert not caplog.records


async def test_close_closes_every_connection():
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(GET)
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


def two_free_ports():
    """Return two adjacent ports below the kernel's range for outgoing connections."""
    start = 20_000 + os.getpid() % 10_000
    for first in range(start, start + 1000):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in (first, first + 1):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return range(first, first + 2)
    raise AssertionError("no two adjacent ports are free")


async def test_each_worker_uses_its_own_port():
    ports = two_free_ports()
    async with serving(ports=ports) as one, serving(ports=ports) as two:
        assert sorted([one.port, two.port]) == list(ports)
        with pytest.raises(OSError, match=r"^host and port: cannot listen .*already in use"):
            await MetricsServer(bytes, "127.0.0.1", ports, NAMES).start()
    async with serving(ports=ports) as again:
        assert again.port == ports[0]
