"""What the kernel knows of a connection, over real sockets."""

import asyncio
import socket

import pytest
from tests.support.waiting import until

from chrysaetos.http.server.kernel import has_input, reset_when_closed, unread_bytes


@pytest.fixture
async def pair():
    """A transport that does not read, and the socket of its client."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        ours, _ = listening.accept()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, ours)
        transport.pause_reading()
        yield transport, client
        transport.abort()
        await asyncio.sleep(0)


async def test_bytes_count_until_the_client_has_read_them(pair):
    transport, client = pair
    assert unread_bytes(transport) == 0
    client.setblocking(False)
    transport.write(b"a" * 30_000_000)
    assert unread_bytes(transport) > 20_000_000
    left = 30_000_000
    while left:
        try:
            left -= len(client.recv(1_000_000))
        except BlockingIOError:
            await asyncio.sleep(0.001)
    await until(lambda: unread_bytes(transport) == 0)


async def test_input_is_seen_before_it_is_read(pair):
    transport, client = pair
    assert not has_input(transport)
    client.send(b"a")
    await until(lambda: has_input(transport))


async def test_the_end_is_a_reset(pair):
    transport, client = pair
    reset_when_closed(transport)
    transport.abort()
    await asyncio.sleep(0.01)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
