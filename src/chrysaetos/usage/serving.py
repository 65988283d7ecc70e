"""Serve the metrics over HTTP, optionally with TLS and Basic authentication."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import time
from dataclasses import asdict
from threading import Thread
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError
from chrysaetos.http.content_coding import accepts_encoding
from chrysaetos.http.server.limits import MONITORING
from chrysaetos.http.server.pages import EXPOSITION, Pages
from chrysaetos.http.server.responses import text
from chrysaetos.http.server.server import HttpServer
from chrysaetos.http.server.sockets import listen_tcp, tls_context
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from chrysaetos.http.server.responses import Response
    from chrysaetos.http.types import Handler, HttpRequest
    from chrysaetos.usage.grants import Grant
    from chrysaetos.usage.snapshot import Exposition

__all__ = ["Listener", "application"]


def application(
    exposition: Exposition,
    credentials: tuple[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    grants: Callable[[], Sequence[Grant]] = tuple,
) -> Handler:
    """Return the handler of requests.

    Args:
        exposition: the metrics, served at ``/metrics`` and at ``/``.
        credentials: user and password of Basic authentication; None if it is not required.
        clock: returns the time in seconds since the epoch.
        grants: returns the grants of credits, served as JSON at ``/credits`` with what is left of them.
    """
    handlers = _Handlers(exposition, credentials, clock, grants)
    metrics = handlers.protected(handlers.metrics)
    return Pages(
        {
            "/metrics": metrics,
            "/": metrics,
            "/credits": handlers.protected(handlers.credit_accounts),
            "/-/healthy": lambda _: text(200, "alive"),
            "/-/ready": handlers.ready,
        }
    )


class _Handlers:
    """The handlers of the pages; see ``application`` for the arguments."""

    def __init__(
        self,
        exposition: Exposition,
        credentials: tuple[str, str] | None,
        clock: Callable[[], float],
        grants: Callable[[], Sequence[Grant]],
    ) -> None:
        self._exposition = exposition
        self._expected = ":".join(credentials).encode() if credentials else None
        self._clock = clock
        self._grants = grants

    def protected(self, handler: Callable[[HttpRequest], Response]) -> Callable[[HttpRequest], Response]:
        """Return a handler that requires the credentials, if there are any."""

        def respond(request: HttpRequest) -> Response:
            given = dict(request.headers).get(b"authorization", b"")
            if self._expected is not None and not _allowed(given, self._expected):
                return text(
                    401, "Basic authentication is required", (b"www-authenticate", b'Basic realm="usage"')
                )
            return handler(request)

        return respond

    def credit_accounts(self, _: HttpRequest) -> Response:
        try:
            given = [asdict(grant) for grant in self._grants()]
        except UsageError as error:
            return text(503, str(error))
        accounts = [
            {
                "project_id": account.project.id,
                "project_name": account.project.name,
                "domain_id": account.project.domain_id,
                **{name: getattr(account, name) for name in ("resource", "granted", "used", "left")},
            }
            for account in self._exposition.accounts()
        ]
        body = json.dumps({"accounts": accounts, "grants": given}).encode()
        return 200, [(b"content-type", b"application/json")], body

    def metrics(self, request: HttpRequest) -> Response:
        compressed = accepts_encoding(request.headers, b"gzip")
        encoding = [(b"content-encoding", b"gzip")] if compressed else []
        body = self._exposition.render(self._clock(), compressed=compressed)
        return 200, [EXPOSITION, (b"vary", b"accept-encoding"), *encoding], body

    def ready(self, _: HttpRequest) -> Response:
        if self._exposition.is_fresh(self._clock()):
            return text(200, "ready")
        return text(503, "there is no usage yet, or it is too old: see /metrics")


def _allowed(authorization: bytes, expected: bytes) -> bool:
    scheme, _, encoded = authorization.partition(b" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == b"basic" and hmac.compare_digest(given, expected)


class Listener:
    """Serves requests in a separate thread.

    Args:
        handler: responds to requests.
        address: the address to bind, IPv4 or IPv6.
        port: the port; 0 for any free port.
        certificate: the files with the server's certificate and its key, for TLS.

    Raises:
        UsageError: the address cannot be bound, or a file cannot be read.
    """

    def __init__(
        self,
        handler: Handler,
        address: str,
        port: int,
        *,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self._handler = handler
        try:
            self._tls = tls_context(*certificate) if certificate else None
            self._sockets = listen_tcp(address, port, ("--bind", "--port"))
        except ConfigError as error:
            raise UsageError(str(error)) from error
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = Thread(target=self._run, name="metrics", daemon=True)
        self.port: int = self._sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = HttpServer(self._handler, MONITORING, self._loop)
        await server.accept(self._sockets, self._tls)
        await self._end.wait()
        await server.stop()
