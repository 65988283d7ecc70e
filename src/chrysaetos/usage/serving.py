"""The listener: serves the exposition over HTTP, with TLS and Basic authentication where asked."""

from __future__ import annotations

import base64
import binascii
import hmac
import socket
import ssl
import time
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Self

    from chrysaetos.usage.snapshot import Exposition

__all__ = ["Listener", "application"]

_TEXT = ("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
_PLAIN = ("Content-Type", "text/plain; charset=utf-8")
_LOOK = 0.1
"""Seconds between two looks whether to end."""
_TIMEOUT = 30
"""Seconds that a client may take for its request, and for the answer."""


def application(
    exposition: Exposition,
    credentials: tuple[str, str] | None = None,
    clock: Callable[[], float] = time.time,
) -> Callable[[dict[str, Any], Callable[..., object]], Iterable[bytes]]:
    """A WSGI application.

    Args:
        exposition: what it serves, at ``/metrics`` and at ``/``.
        credentials: user and password of Basic authentication, if it is asked for.
        clock: the time in seconds since the epoch.
    """
    expected = f"{credentials[0]}:{credentials[1]}".encode() if credentials else None

    def allowed(environ: dict[str, Any]) -> bool:
        if expected is None:
            return True
        scheme, _, encoded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, expected)

    def answer(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        headers = [_PLAIN]
        status, body = "200 OK", b"alive\n"
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", b"GET only\n"
            headers.append(("Allow", "GET, HEAD"))
        elif path == "/-/healthy":
            pass
        elif path == "/-/ready":
            if not exposition.fresh(clock()):
                status, body = "503 Service Unavailable", b"no usage yet, or it is too old: see /metrics\n"
        elif path not in ("/", "/metrics"):
            status, body = "404 Not Found", b"metrics are at /metrics\n"
        elif not allowed(environ):
            status, body = "401 Unauthorized", b"Basic authentication is needed\n"
            headers.append(("WWW-Authenticate", 'Basic realm="usage"'))
        else:
            compressed = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
            body = exposition.render(clock(), compressed=compressed)
            headers = [_TEXT, ("Vary", "Accept-Encoding")]
            if compressed:
                headers.append(("Content-Encoding", "gzip"))
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = _TIMEOUT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """A scrape is no news."""


class Listener:
    """Serves an application from a thread of its own.

    Args:
        app: what is served.
        address: the address to bind, IPv4 or IPv6.
        port: the port; 0 for any that is free.
        certificate: file with the server's certificate, for TLS.
        key: file with its key.

    Raises:
        UsageError: if the address cannot be bound, or a file cannot be read.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        address: str,
        port: int,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        kind = _Server6 if ":" in address else _Server
        try:
            self._server = make_server(address, port, app, server_class=kind, handler_class=_Quiet)
        except OSError as error:
            raise UsageError(f"{address} port {port} cannot be bound: {error.strerror}") from error
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                context.load_cert_chain(certificate, key)
            except (OSError, ssl.SSLError) as error:
                self._server.server_close()
                raise UsageError(f"the certificate {certificate} cannot be used: {error}") from error
            # The handshake is left to the request's thread, so that no client can hold up the others.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self._server.server_port

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(_LOOK,), name="metrics", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
