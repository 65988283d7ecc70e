"""A TCP server that sends exactly the bytes of a test's script.

It is not an HTTP server: it only detects the end of each request, and the script does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

__all__ = ["Peer", "RawUpstream", "Script", "answer", "answering", "silence"]

_STEP = 0.001
"""Seconds between two pieces, so that they arrive separately."""


class Peer:
    """An accepted connection, for use by a script."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[bytes]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._requests = requests

    async def request(self) -> bytes:
        """Receive a complete request. Ends the script if the gateway closes the connection."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        request = head + await self._reader.readexactly(length)
        self._requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        """Send each piece in a separate segment."""
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(_STEP)
            if self._writer.is_closing():
                raise ConnectionResetError  # uvloop would call it a RuntimeError
            self._writer.write(piece)
            await self._writer.drain()

    def send_now(self, data: bytes) -> None:
        """Send bytes without waiting for the event loop. Does not work with TLS."""
        os.write(self._writer.get_extra_info("socket").fileno(), data)

    def close(self) -> None:
        """Close the connection in order (FIN) after sending all data."""
        self._writer.close()

    def half_close(self) -> None:
        """Close only the writing side (FIN) after sending all data; the connection can still be read."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Reset the connection (RST)."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def gone(self) -> bytes:
        """Wait until the gateway has closed the connection; return what it sent until then."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""


Script = Callable[[Peer], Awaitable[None]]


class RawUpstream:
    """The server, an async context manager. Each connection runs the script.

    Attributes:
        port: the port on 127.0.0.1.
        requests: all complete requests, in the order of arrival.
        accepted: number of connections so far.
        peak: maximum number of open connections.
        peers: all connections.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.accepted = 0
        self.open = 0
        self.peak = 0
        self.peers: list[Peer] = []
        self._script = script
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        await asyncio.sleep(0)
        if self._failures and error is None:
            raise self._failures[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        peer = Peer(reader, writer, self.requests)
        self.peers.append(peer)
        try:
            await self._script(peer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway closed the connection, or the test has ended
        except Exception as error:  # noqa: BLE001  # raised again in the test
            self._failures.append(error)
        finally:
            self.open -= 1
            writer.transport.abort()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)


def answer(
    body: bytes = b"", *, status: bytes = b"200 OK", headers: tuple[bytes, ...] = (), length: bool = True
) -> bytes:
    """Return a response with its Content-Length."""
    lines = [b"HTTP/1.1 " + status, *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answering(*answers: bytes) -> Script:
    """Return a script that sends the responses in turn on each connection; the last response repeats."""

    async def script(peer: Peer) -> None:
        number = 0
        while True:
            await peer.request()
            await peer.send(answers[min(number, len(answers) - 1)])
            number += 1

    return script


async def silence(peer: Peer) -> None:
    """Run as a script that reads requests and never responds."""
    while True:
        await peer.request()
