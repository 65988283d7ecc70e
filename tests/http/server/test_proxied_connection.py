"""Connections from proxies and from others, with a fake transport."""

import asyncio
import contextlib
import struct
from contextlib import asynccontextmanager

import pytest

from chrysaetos.http.server import server as server_module
from chrysaetos.http.server.client_address import TrustedProxies
from chrysaetos.http.server.limits import FramingLimits, ServerLimits
from chrysaetos.http.server.server import HttpServer

PROXY = ("192.0.2.1", 4000)
OTHER = ("203.0.113.66", 4000)
UNIX = ""
GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
BAD = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.7\r\n bad\r\n\r\n"
LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


def get(client, name=b"X-Forwarded-For"):
    return b"GET /a HTTP/1.1\r\nHost: h\r\n%b: %b\r\n\r\n" % (name, client)


def binary(client, proxied_by=b"\xc0\0\2\1"):
    payload = bytes(map(int, client.split("."))) + proxied_by + struct.pack("!HH", 4711, 443) + b"\x04\0\1x"
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(payload)) + payload


class Transport(asyncio.Transport):
    """Records the bytes that are written, without a socket."""

    def __init__(self, peer):
        self.written = b""
        self.closed = False
        self._peer = peer

    def get_extra_info(self, name, default=None):
        return {"peername": self._peer, "socket": self}.get(name, default)

    def fileno(self):
        return -1

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return 0

    def can_write_eof(self):
        return False

    def close(self):
        self.closed = True

    abort = close


class Behind:
    """A server behind proxies.

    Attributes:
        served: the clients of the requests that were served.
        refused: the clients of the requests that were refused.
    """

    def __init__(self, proxies, **limits):
        self.served, self.refused = [], []
        self.server = HttpServer(
            self._app,
            ServerLimits(**limits),
            asyncio.get_running_loop(),
            on_refused=self._on_refused,
            proxies=proxies,
        )

    def connect(self, peer):
        transport, connection = Transport(peer), self.server.protocol()
        connection.connection_made(transport)
        return transport, connection

    async def send(self, connection, *pieces):
        for piece in pieces:
            connection.data_received(piece)
            for _ in range(3):
                await asyncio.sleep(0)

    async def _app(self, request, reply):
        self.served.append(request.client)
        reply.begin(200, [])
        reply.write(b"")

    def _on_refused(self, request):
        self.refused.append((request.client, request.error.status))
        return []


@asynccontextmanager
async def behind(*entries, forwarded=False, proxy_protocol=False, **limits):
    """Run a server; without entries, one that trusts no proxies."""
    proxies = TrustedProxies.parse(entries, forwarded=forwarded, proxy_protocol=proxy_protocol)
    here = Behind(proxies if entries else None, **limits)
    with contextlib.closing(here.server):
        yield here


@pytest.mark.parametrize("proxy", [PROXY, ("::ffff:192.0.2.1", 4000, 0, 0)])
async def test_each_request_of_a_proxy_names_its_own_client(proxy):
    async with behind("192.0.2.1") as here:
        _, connection = here.connect(proxy)
        pipelined = get(b"203.0.113.8") + get(b"198.51.100.1, 192.0.2.1")
        await here.send(connection, get(b"203.0.113.7"), pipelined, GET, get(b"nonsense"))
        named = ["203.0.113.7", "203.0.113.8", "198.51.100.1"]
        assert here.served == [*named, proxy[0], proxy[0]]


async def test_another_peer_is_itself_the_client():
    async with behind("192.0.2.1") as here:
        transport, connection = here.connect(OTHER)
        await here.send(connection, get(b"203.0.113.7"), get(b"for=203.0.113.7", b"Forwarded"))
        assert here.served == [OTHER[0], OTHER[0]]
        await here.send(connection, b"GET /a HTTP/1.1\r\n\r\n")
        assert here.refused == [(OTHER[0], 400)]
        assert transport.written.count(b"HTTP/1.1 400 ") == 1


async def test_only_the_configured_header_is_read():
    async with behind("192.0.2.1", forwarded=True) as here:
        _, connection = here.connect(PROXY)
        await here.send(connection, get(b"203.0.113.7"), get(b"for=203.0.113.8", b"Forwarded"))
        assert here.served == [PROXY[0], "203.0.113.8"]


async def test_a_peer_of_a_unix_socket_may_be_a_proxy():
    async with behind("unix") as here:
        _, connection = here.connect(UNIX)
        await here.send(connection, get(b"203.0.113.7"), GET)
        assert here.served == ["203.0.113.7", ""]
    async with behind("192.0.2.1") as here:
        _, connection = here.connect(UNIX)
        await here.send(connection, get(b"203.0.113.7"))
        assert here.served == [""]


async def test_without_trusted_proxies_no_header_is_read():
    async with behind() as here:
        for peer in (PROXY, UNIX):
            _, connection = here.connect(peer)
            await here.send(connection, get(b"203.0.113.7"))
        assert here.served == [PROXY[0], ""]


async def test_a_refused_request_has_the_client_that_its_own_headers_name():
    async with behind("192.0.2.1", framing=FramingLimits(body=10)) as here:
        _, connection = here.connect(PROXY)
        await here.send(connection, get(b"203.0.113.7"), BAD)
        assert here.refused == [(PROXY[0], 400)]  # the headers could not be read
        _, connection = here.connect(PROXY)
        chunked = get(b"203.0.113.8").replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        await here.send(connection, get(b"203.0.113.7"), chunked, b"b\r\n")
        assert here.refused[1:] == [("203.0.113.8", 413)]


async def test_a_proxy_that_cannot_be_admitted_is_refused_under_its_own_address():
    for proxy_protocol in (False, True):
        async with behind("192.0.2.1", proxy_protocol=proxy_protocol, connections=0) as here:
            transport, _ = here.connect(PROXY)
            assert here.refused == [(PROXY[0], 503)]
            assert transport.closed


@pytest.mark.parametrize("header", [LINE, binary("203.0.113.7")])
async def test_the_proxy_protocol_names_the_client_of_all_requests(header):
    async with behind("192.0.2.1", "unix", proxy_protocol=True) as here:
        for peer in (PROXY, UNIX):
            _, connection = here.connect(peer)
            await here.send(connection, header + GET + GET, get(b"203.0.113.99"))
        assert here.served == ["203.0.113.7"] * 6
        _, connection = here.connect(PROXY)
        await here.send(connection, *(bytes([byte]) for byte in header + GET))
        assert here.served[6:] == ["203.0.113.7"]
        await here.send(connection, BAD)
        assert here.refused == [("203.0.113.7", 400)]


async def test_a_proxy_behind_the_proxy_protocol_names_its_client_in_a_header():
    async with behind("192.0.2.1", "198.51.100.0/24", proxy_protocol=True) as here:
        _, connection = here.connect(PROXY)
        await here.send(connection, binary("198.51.100.2") + get(b"203.0.113.7"), GET)
        assert here.served == ["203.0.113.7", "198.51.100.2"]


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
async def test_a_proxy_that_names_no_client_is_the_client(header):
    async with behind("192.0.2.1", proxy_protocol=True) as here:
        _, connection = here.connect(PROXY)
        await here.send(connection, header + GET, get(b"203.0.113.7"))
        assert here.served == [PROXY[0], PROXY[0]]


@pytest.mark.parametrize(
    "data",
    [
        GET,
        b"\r\n" + GET,
        b"PROXY TCP4 203.0.113.7\r\n" + GET,
        LOCAL[:-1] + b"\1" + b"\0" + LINE + GET,
        LOCAL[:-4] + b"\x22" + LOCAL[-3:] + GET,
        LINE + LINE + GET,
    ],
)
async def test_a_connection_of_a_proxy_without_a_valid_header_is_refused(data):
    async with behind("192.0.2.1", proxy_protocol=True) as here:
        transport, connection = here.connect(PROXY)
        await here.send(connection, data, GET, LINE + GET)
        assert here.served == []
        assert [status for _, status in here.refused] == [400]
        assert transport.written.count(b"HTTP/1.1 ") == 1


async def test_another_peer_cannot_use_the_proxy_protocol():
    async with behind("192.0.2.1", proxy_protocol=True) as here:
        _, connection = here.connect(OTHER)
        await here.send(connection, GET)
        assert here.served == [OTHER[0]]
        for header in (LINE, binary("203.0.113.7")):
            _, connection = here.connect(OTHER)
            await here.send(connection, header + GET)
        assert here.served == [OTHER[0]]
        assert here.refused == [(OTHER[0], 400)] * 2


async def test_the_proxy_protocol_must_be_enabled():
    async with behind("192.0.2.1") as here:
        _, connection = here.connect(PROXY)
        await here.send(connection, LINE + GET)
        assert here.served == []
        assert here.refused == [(PROXY[0], 400)]


@pytest.mark.parametrize("part", [b"", b"P", LINE[:-1], LOCAL[:-1], LINE])
async def test_an_incomplete_header_is_not_awaited_for_long(part, monkeypatch):
    monkeypatch.setattr(server_module, "_TICK", 0.02)
    async with behind("127.0.0.1", proxy_protocol=True, head_seconds=0.1) as here:
        listening = await asyncio.get_running_loop().create_server(here.server.protocol, "127.0.0.1", 0)
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
            writer.write(part)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
