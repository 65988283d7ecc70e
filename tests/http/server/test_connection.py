"""One connection, with a fake transport and a fake owner that record their calls."""

import asyncio

from chrysaetos.http.server.connection import ClientConnection
from chrysaetos.http.server.limits import ServerLimits
from chrysaetos.http.server.request_reader import HeaderCache
from chrysaetos.http.server.unfinished_bytes import UnfinishedBytes

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


class Transport(asyncio.Transport):
    """Records the bytes that are written."""

    def __init__(self):
        self.written = b""
        self.aborted = self.closed = self.paused = False

    def get_extra_info(self, name, default=None):
        return ("192.0.2.1", 4000) if name == "peername" else default

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        self.paused = True

    def abort(self):
        self.aborted = True

    def close(self):
        self.closed = True


class Owner:
    """A server without sockets."""

    def __init__(self, handler):
        self.handler = handler
        self.limits = ServerLimits()
        self.headers = HeaderCache()
        self.loop = asyncio.get_running_loop()
        self.waiting = {}
        self.unfinished = UnfinishedBytes(self.limits.unfinished_bytes)
        self.draining = False
        self.requests = 0
        self.date = b"Sat, 28 Nov 2026 00:00:00 GMT"
        self.forgotten = []

    def admit(self, connection):
        self.waiting[connection] = None
        return True

    def forget(self, connection):
        self.forgotten.append(connection)

    def refuse(self, error, client, request):
        raise NotImplementedError


def connected(handler):
    owner, transport = Owner(handler), Transport()
    connection = ClientConnection(owner)
    connection.connection_made(transport)
    return owner, transport, connection


async def never(_request, _reply):
    await asyncio.get_running_loop().create_future()


async def test_cancelled_request_aborts_its_connection():
    owner, transport, connection = connected(never)
    connection.data_received(GET)
    await asyncio.sleep(0)
    connection._task.cancel()
    await asyncio.sleep(0.01)
    assert transport.aborted
    assert transport.written == b""
    assert connection not in owner.waiting


async def test_lost_connection_cancels_its_request_and_is_then_forgotten():
    owner, _, connection = connected(never)
    connection.data_received(GET)
    await asyncio.sleep(0)
    connection.connection_lost(None)
    assert owner.forgotten == []
    await asyncio.sleep(0.01)
    assert owner.forgotten == [connection]


async def test_connection_without_a_request_is_forgotten_at_once():
    owner, _, connection = connected(never)
    connection.data_received(GET[:-2])
    assert owner.unfinished.total == len(GET) - 2
    connection.connection_lost(None)
    assert owner.forgotten == [connection]
    assert owner.unfinished.total == 0


async def test_a_client_that_is_gone_before_its_request_is_served_is_forgotten():
    called = []

    async def app(_request, _reply):
        called.append(True)

    owner, _, connection = connected(app)
    owner.requests = 1  # so that requests are served in the next turn of the loop
    connection.data_received(GET)
    assert (owner.requests, called) == (2, [])
    connection.connection_lost(None)
    await asyncio.sleep(0.01)
    assert (owner.requests, called, owner.forgotten) == (1, [], [connection])
