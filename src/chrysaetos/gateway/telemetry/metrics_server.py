"""The listener that shows the gateway's metrics.

It is apart from the gateway's, so that the metrics are not where the tenants are. With several
workers each one has its own numbers and its own port: the first one that is free among as many consecutive
ports as there are workers. Each of them is a target to scrape.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MetricsServer"]

_log = logging.getLogger(__name__)

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LONGEST_HEAD = 8 * 1024
_MOST_CLIENTS = 16


class MetricsServer:
    """Answers ``GET /metrics``, and ``/-/healthy`` while it lives; one request a connection.

    Args:
        render: makes the text.
        host: address to listen on.
        ports: the first one that is free is taken; 0 is any. With several workers: as many as there are.
        timeout: seconds for a whole connection.

    Attributes:
        port: the port that was taken, 0 before ``start``.
    """

    def __init__(
        self, render: Callable[[], bytes], host: str, ports: Sequence[int], *, timeout: float = 5.0
    ) -> None:
        self._render = render
        self._host = host
        self._ports = ports
        self._timeout = timeout
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: on none of the ports that is possible.
        """
        failure: OSError | None = None
        for port in self._ports:
            try:
                self._server = await asyncio.start_server(
                    self._connected, self._host, port, limit=_LONGEST_HEAD
                )
            except OSError as error:
                failure = error
                continue
            self.port = self._server.sockets[0].getsockname()[1]
            return
        raise failure or OSError("there is no port to listen on")

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= _MOST_CLIENTS:
            writer.transport.abort()
            return
        self._tasks.add(task)
        try:
            async with asyncio.timeout(self._timeout):
                writer.write(self._answer(await _head(reader)))
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # it was too slow, or has gone
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    def _answer(self, head: bytes | None) -> bytes:
        """The whole answer to the head of a request; None: it was too long."""
        words = [] if head is None else head.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or words[2] not in {b"HTTP/1.1", b"HTTP/1.0"}:
            return _http(400, b"this is no request\n")
        method, target, _ = words
        path = target.partition(b"?")[0]
        if path not in {b"/metrics", b"/-/healthy"}:
            return _http(404, b"there are /metrics and /-/healthy\n")
        if method not in {b"GET", b"HEAD"}:
            return _http(405, b"use GET\n", "Allow: GET, HEAD\r\n")
        try:
            body = self._render() if path == b"/metrics" else b"OK\n"
        except Exception:  # noqa: BLE001 - the next scrape may go better, and the listener has to live
            _log.exception("the metrics cannot be shown")
            return _http(500, b"the gateway's log has more\n")
        answer = _http(200, body)
        return answer if method == b"GET" else answer[: -len(body)]


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return None


def _http(status: int, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {_CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode("ascii") + body
