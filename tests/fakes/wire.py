"""A client that sends raw bytes to a server, and an upstream that records the bytes it receives."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Recorder", "Wire", "statuses"]

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def statuses(answers: bytes) -> list[int]:
    """Return the statuses of the responses in a stream."""
    return [int(number) for number in _STATUS.findall(answers)]


class Wire:
    """A connection of a client.

    Args:
        address: host and port, or the path of a Unix socket.
        timeout: seconds for each operation.
        source: the client's own IPv4 address, "" for any.
    """

    def __init__(self, address: tuple[str, int] | str, timeout: float = 10.0, source: str = "") -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        try:
            if source:
                self.sock.bind((source, 0))
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise

    def send(self, *pieces: bytes, pause: float = 0.02) -> None:
        """Send each piece in a separate segment."""
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(pause)
            self.sock.sendall(piece)

    def answer(self) -> bytes:
        """Receive a response with a Content-Length."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._some(data)
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += self._some(data)
        return head + b"\r\n\r\n" + body

    def exhaust(self) -> None:
        """Read until the server closes the connection. A reset raises an exception."""
        while self.sock.recv(65536):
            pass

    def rest(self) -> bytes:
        """Return everything received until the server closes the connection."""
        data = b""
        while True:
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                return data
            if not piece:
                return data
            data += piece

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _some(self, before: bytes) -> bytes:
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError(f"the server closed the connection after {before!r}")
        return piece


class Recorder:
    """An upstream that answers every request and records all bytes. A context manager.

    Attributes:
        url: the URL of the upstream.
        received: the bytes received on all connections.
        open: number of open connections.
        reply: called with the connection after each request; it may send a response.
    """

    def __init__(self, reply: Callable[[socket.socket], None] | None = None) -> None:
        self.received = bytearray()
        self.open = 0
        self.reply = reply or _answer
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._peers: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in tuple(self._peers):
            with self._lock:
                if peer in self._peers:
                    peer.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._peers.add(peer)
                self.open += 1
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        waiting = b""
        try:
            while data := peer.recv(65536):
                with self._lock:
                    self.received += data
                waiting += data
                while b"\r\n\r\n" in waiting:
                    head, _, waiting = waiting.partition(b"\r\n\r\n")
                    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                    left = int(length[1]) - len(waiting) if length else 0
                    while left > 0 and (data := peer.recv(65536)):
                        with self._lock:
                            self.received += data
                        waiting += data
                        left -= len(data)
                    waiting = waiting[int(length[1]) :] if length else waiting
                    if b" /-/ready " in head:
                        _answer(peer)
                    else:
                        self.reply(peer)
        except OSError:
            pass  # the gateway closed the connection, or the test has ended
        finally:
            with self._lock:
                self._peers.discard(peer)
                self.open -= 1
                peer.close()


_BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


def _answer(peer: socket.socket) -> None:
    peer.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(_BODY), _BODY)
    )
