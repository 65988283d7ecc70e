"""A serving process: its event loop, the application's start and end, signals and graceful shutdown.

SIGTERM and SIGINT shut it down gracefully: it accepts no new connections and finishes the requests in
progress. A second signal aborts them. SIGHUP reloads the configuration.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import signal
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import ChrysaetosError
from chrysaetos.http.server.server import HttpServer

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Sequence

    from chrysaetos.http.server.client_address import TrustedProxies
    from chrysaetos.http.server.limits import ServerLimits
    from chrysaetos.http.server.server import OnRefused
    from chrysaetos.http.types import Application

__all__ = ["AT_ONCE", "Process", "most_clients"]

_LOG = logging.getLogger(__name__)

AT_ONCE = signal.SIGUSR1
"""Tells a worker that is shutting down to abort its requests."""

_GARBAGE_THRESHOLD = 20_000
"""Objects that are created and not freed before the garbage collector runs: those of hundreds of requests."""
_MAX_FILES = 65536
_OWN_FILES = 160
"""Open files of the process itself: sockets, logs, connections to Keystone."""
_MIN_SHARE = 4
"""The share of the limit of open files that clients get in any case: a quarter."""
_ACCEPTS_SHARE = 32
"""The largest share of the limit for the file descriptors of a listening socket: a thirty-second."""


class _StartFailed(ChrysaetosError):
    """The application did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A serving process.

    Attributes:
        app: the application.
        sockets: the listening sockets. They are closed at shutdown.
        limits: limits on clients and their requests.
        drain_seconds: how long requests in progress may take at shutdown.
        reload: called on SIGHUP.
        ready: called once requests are served.
        stopping: called when the shutdown begins.
        watch: called with the server, for its counters, before it serves.
        on_refused: called with each request that is rejected before it reaches the application; see
            ``HttpServer``.
        lifeline: for a worker, a pipe's descriptor. When it becomes readable the process shuts down as on
            SIGTERM. SIGINT and a second SIGTERM are handled by the supervisor, which sends ``AT_ONCE``.
        tls: the context for HTTPS; None for plain HTTP.
        proxies: the proxies that may name their clients; None for none.
        reserved_files: open files that other parts need, such as connections to the upstream.
    """

    app: Application
    sockets: Sequence[socket.socket]
    limits: ServerLimits
    drain_seconds: float
    reload: Callable[[], None]
    ready: Callable[[], None]
    watch: Callable[[HttpServer], None]
    on_refused: OnRefused
    stopping: Callable[[], None] = lambda: None
    lifeline: int | None = None
    tls: ssl.SSLContext | None = None
    proxies: TrustedProxies | None = None
    reserved_files: int = 0

    def run(self) -> int:
        """Serve until a signal stops the process.

        Returns:
            The exit status: 0, or 1 if the application did not start.
        """
        _raise_file_limit()
        handshakes = 0 if self.tls is None else self.limits.connections
        limits = _fit_into_file_limit(self.limits, self.reserved_files + handshakes)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve(limits))
        except _StartFailed as error:
            _LOG.error("%s", error)
            return 1
        return 0

    async def _serve(self, limits: ServerLimits) -> None:
        loop = asyncio.get_running_loop()
        end, at_once = asyncio.Event(), asyncio.Event()
        self._handle_signals(loop, end, at_once)
        try:
            await self.app.start()
        except OSError as error:
            raise _StartFailed(str(error)) from error
        _spare_long_lived_objects()
        clients = HttpServer(self.app, limits, loop, on_refused=self.on_refused, proxies=self.proxies)
        self.watch(clients)
        await clients.accept([sock.dup() for sock in self.sockets], self.tls)
        self.ready()
        await end.wait()
        if self.lifeline is not None:
            loop.remove_reader(self.lifeline)
        self.stopping()
        _LOG.info("shutting down: %d connections are open", len(clients.connections))
        clients.stop_accepting()
        for sock in self.sockets:
            if self.tls is None:  # with TLS, this would have to wait for handshakes
                await _accept_the_rest(sock, clients)
            sock.close()
        await _first(clients.drain(self.drain_seconds), at_once.wait())
        clients.close()
        await self.app.close()

    def _handle_signals(
        self, loop: asyncio.AbstractEventLoop, end: asyncio.Event, at_once: asyncio.Event
    ) -> None:
        def ending() -> None:
            (at_once if end.is_set() else end).set()

        loop.add_signal_handler(signal.SIGHUP, self.reload)
        if self.lifeline is None:
            loop.add_signal_handler(signal.SIGTERM, ending)
            loop.add_signal_handler(signal.SIGINT, ending)
        else:
            # A SIGTERM to the whole process group arrives along with the lifeline's end, and is not a second
            # one.
            loop.add_signal_handler(signal.SIGTERM, end.set)
            loop.add_signal_handler(AT_ONCE, at_once.set)
            loop.add_reader(self.lifeline, end.set)


async def _accept_the_rest(sock: socket.socket, clients: HttpServer) -> None:
    """Accept the connections that wait in the kernel: closing the socket would reset them."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        connection.settimeout(0)
        await loop.connect_accepted_socket(clients.protocol, connection)


async def _first(*awaitables: Any) -> None:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _spare_long_lived_objects() -> None:
    """Let the garbage collector ignore the objects that exist already, and run less often.

    Requests leave hardly any cycles. Without this, 64 clients make it visit all modules and options every
    3,000 requests, and each time all requests wait for 20 ms or more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.implementation.name != "cpython":
        return asyncio.new_event_loop
    import uvloop  # noqa: PLC0415  # only CPython has it

    return uvloop.new_event_loop


def _raise_file_limit() -> None:
    """Raise the soft limit of open files: the usual 1024 only protects programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_clients(files: int, reserved: int) -> int | None:
    """Return how many clients a limit of open files allows; None for any number.

    Args:
        files: the limit.
        reserved: open files that other parts need.
    """
    if files == resource.RLIM_INFINITY:
        return None
    return max(files - reserved - _OWN_FILES, files // _MIN_SHARE)


def _fit_into_file_limit(limits: ServerLimits, reserved: int) -> ServerLimits:
    """Lower the number of connections to what the limit of open files allows.

    The server then closes the connection that has waited longest for a further one. Without this, the kernel
    would not open the further one, and clients that send nothing would lock all others out.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = most_clients(soft, reserved)
    if most is None or most >= limits.connections:
        return limits
    _LOG.warning(
        "at most %d clients can be connected instead of %d, because the limit of open files is %d",
        most,
        limits.connections,
        soft,
    )
    accepts = max(1, min(limits.accepts, soft // _ACCEPTS_SHARE))
    return replace(limits, connections=most, accepts=accepts)
