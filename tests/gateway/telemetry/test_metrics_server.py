"""The listener that shows the metrics."""

import asyncio
import contextlib
import os
import socket
from contextlib import asynccontextmanager

import pytest

from chrysaetos.gateway.telemetry.metrics import Telemetry
from chrysaetos.gateway.telemetry.metrics_server import MetricsServer


@asynccontextmanager
async def serving(render=lambda: b"up 1\n", ports=(0,), **options):
    server = MetricsServer(render, "127.0.0.1", ports, **options)
    await server.start()
    try:
        yield server
    finally:
        async with asyncio.timeout(1):
            await server.close()
        assert server._tasks == set()


async def exchange(server, request):
    """What the listener answers before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


async def test_the_metrics_are_served():
    async with serving(Telemetry().render) as server:
        (line, *headers), body = await exchange(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert line == b"HTTP/1.1 200 OK"
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in headers
    assert b"Content-Length: %d" % len(body) in headers
    assert b"Connection: close" in headers
    assert b"chrysaetos_requests_in_flight 0.0" in body


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        (b"GET /metrics?name[]=up HTTP/1.0", b"200 OK", b"up 1\n"),
        (b"HEAD /metrics HTTP/1.1", b"200 OK", b""),
        (b"GET /-/healthy HTTP/1.1", b"200 OK", b"OK\n"),
        (b"GET / HTTP/1.1", b"404 Not Found", b"there are /metrics and /-/healthy\n"),
        (b"GET /api/v1/query HTTP/1.1", b"404 Not Found", b"there are /metrics and /-/healthy\n"),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed", b"use GET\n"),
        (b"GET /metrics", b"400 Bad Request", b"this is no request\n"),
        (b"GET /metrics HTTP/2", b"400 Bad Request", b"this is no request\n"),
        (b"", b"400 Bad Request", b"this is no request\n"),
    ],
)
async def test_what_else_is_asked_is_answered_and_closed(request_line, status, body):
    async with serving() as server:
        (line, *headers), got = await exchange(server, request_line + b"\r\n\r\n")
        assert (line, got) == (b"HTTP/1.1 " + status, body)
        assert (b"Allow: GET, HEAD" in headers) == (status[:3] == b"405")


async def test_metrics_that_cannot_be_made_are_an_error(caplog):
    async with serving(lambda: 1 // 0) as server:
        (line, *_), body = await exchange(server, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert line == b"HTTP/1.1 500 Internal Server Error"
    assert b"Zero" not in body
    assert "ZeroDivisionError" in caplog.text


async def test_a_long_request_is_refused():
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 9000)
        assert (await reader.readline()) == b"HTTP/1.1 400 Bad Request\r\n"
        writer.close()


async def test_a_slow_client_is_cut_off():
    async with serving(timeout=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HT")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(_until_reset(reader), 5)
        writer.close()


async def _until_reset(reader):
    assert await reader.read() == b""
    raise ConnectionResetError


async def test_a_client_that_takes_nothing_is_cut_off():
    async with serving(lambda: b"x" * 50_000_000, timeout=0.1) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        await asyncio.sleep(0.3)
        assert server._tasks == set()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(50_000_000)
        writer.close()


async def test_too_many_clients_at_once_are_turned_away():
    async with serving() as server:
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(16)]
        await asyncio.sleep(0.05)
        assert len(server._tasks) == 16
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(_until_reset(reader), 5)
        writer.close()
        for _, other in held:
            other.close()


async def test_the_end_ends_what_is_under_way():
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.sleep(0.05)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(_until_reset(reader), 5)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


def two_free_ports():
    """Two adjacent ports below the range from which the kernel takes ports for outgoing connections."""
    start = 20_000 + os.getpid() % 10_000
    for first in range(start, start + 1000):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in (first, first + 1):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return range(first, first + 2)
    raise AssertionError("no two adjacent ports are free")


async def test_each_worker_takes_a_port_of_its_own():
    ports = two_free_ports()
    async with serving(ports=ports) as one, serving(ports=ports) as two:
        assert sorted([one.port, two.port]) == list(ports)
        with pytest.raises(OSError, match="address already in use"):
            await MetricsServer(bytes, "127.0.0.1", ports).start()
    async with serving(ports=ports) as again:
        assert again.port == ports[0]


async def test_without_a_port_there_is_nothing_to_listen_on():
    with pytest.raises(OSError, match="no port"):
        await MetricsServer(bytes, "127.0.0.1", ()).start()
