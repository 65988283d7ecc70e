"""A TCP relay in front of a real server that can record bytes, refuse connections and cut responses."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self

__all__ = ["Relay"]


class Relay:
    """Forwards bytes in both directions. A context manager.

    Attributes:
        target: the port of the real server.
        port: the port that the relay listens on.
        sent: all bytes that clients sent.
        hold: responses wait until this is set; None to pass them on at once.
        held: the number of times that a response has waited.
        cut_after: number of response bytes after which a connection is closed on both sides; None for never.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.sent = bytearray()
        self.hold: threading.Event | None = None
        self.held = 0
        self.cut_after: int | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """The URL of the relay."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections, and close the existing ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass, args=(source, sink, answers), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if not answers:
                    with self._lock:
                        self.sent += data
                elif (hold := self.hold) is not None:
                    self.held += 1
                    hold.wait(20)
                elif self.cut_after is not None:
                    data = data[: self.cut_after - passed]
                    passed += len(data)
                sink.sendall(data)
                if answers and self.cut_after is not None and passed >= self.cut_after:
                    break
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if source in self._open:
                self._open.discard(source)
                source.close()
