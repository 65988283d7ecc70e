"""A connection to the upstream without a pool, with a transport that records instead of sending."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chrysaetos.http.upstream.connection import Connection

if TYPE_CHECKING:
    import socket

    from chrysaetos.http.upstream.response import UpstreamResponse

__all__ = ["Held"]


class RecordedOwner:
    """A pool that records what its connection reports."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def on_complete(self, connection: Connection) -> None:
        assert not connection.closed
        self.reports.append("complete")

    def on_closed(self, connection: Connection, *, busy: bool) -> None:
        assert connection.closed
        self.reports.append("closed while busy" if busy else "closed")

    def on_cut_off(self) -> None:
        self.reports.append("cut off")

    def on_socket_closed(self, connection: Connection) -> None:
        assert connection.closed
        self.reports.append("socket closed")


class HeldTransport(asyncio.Transport):
    """A transport that records what is written; ``unwritten`` bytes of it have not been sent."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self.written = b""
        self.unwritten = 0
        self.aborted = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unwritten

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Held:
    """An idle connection without a pool, and the upstream's end of its socket."""

    def __init__(self, sock: socket.socket, peer: socket.socket) -> None:
        self.peer = peer
        self.reports = (owner := RecordedOwner()).reports
        self.transport = HeldTransport(sock)
        self.connection = Connection(owner, asyncio.get_running_loop())
        self.connection.connection_made(self.transport)

    def send(self, seconds: float = 60) -> asyncio.Future[UpstreamResponse]:
        deadline = asyncio.get_running_loop().time() + seconds
        return self.connection.send(b"request", head_only=False, deadline=deadline, timeout=60)
