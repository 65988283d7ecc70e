"""Requests with a time limit, and why they failed."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.http.upstream.pool import UpstreamOptions

__all__ = ["FAILURES", "SECONDS", "Reply", "describe", "get", "remedy", "within"]

SECONDS = 5.0
"""Time for each request."""
MAX_BYTES = 16 * 1024 * 1024

FAILURES = (OSError, http.client.HTTPException, UnicodeError)
"""The exceptions of a request. ``TimeoutError`` and ``ssl.SSLError`` are an ``OSError``."""

_HOSTNAME_MISMATCH = {62, 64}
_EXPIRED = 10
"""X509_V_ERR_* of OpenSSL's x509_vfy.h."""

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class Reply(NamedTuple):
    """A response.

    Attributes:
        status: its status.
        headers: its headers, names in lower case.
        body: the first 16 MiB of its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def within(
    function: Callable[_Arguments, _Result], *arguments: _Arguments.args, **keywords: _Arguments.kwargs
) -> _Result:
    """Call a function that waits for a server.

    A thread runs it, since neither a look-up of a name nor a server that sends a byte now and then obeys the
    time-out of a socket.

    Raises:
        TimeoutError: it did not return within ``SECONDS``.
        Exception: as the function.
    """
    results: list[Any] = []
    errors: list[Exception] = []

    def call() -> None:
        try:
            results.append(function(*arguments, **keywords))
        except Exception as error:  # noqa: BLE001  # raised by the caller's thread
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    result: _Result = results[0]
    return result


def get(
    server: UpstreamOptions, target: str, *, unix_socket: str | None = None, preface: bytes = b""
) -> Reply:
    """Send a GET request with the server's headers, below its path prefix. Redirects are not followed.

    Args:
        server: where the server is.
        target: path and query.
        unix_socket: path of a Unix socket to connect to instead.
        preface: what to send before the request.

    Raises:
        OSError, http.client.HTTPException, UnicodeError: there is no response; see ``FAILURES``.
    """
    return within(_get, server, target, unix_socket, preface)


def _get(server: UpstreamOptions, target: str, unix_socket: str | None, preface: bytes) -> Reply:
    if server.tls is None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=SECONDS)
    else:
        connection = http.client.HTTPSConnection(
            server.host, server.port, timeout=SECONDS, context=server.tls
        )
    try:
        if unix_socket is None:
            connection.connect()
        else:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(SECONDS)
            connection.sock.connect(unix_socket)
        connection.sock.sendall(preface)
        headers = dict((*server.default_headers, *server.static_headers))
        connection.request("GET", server.path_prefix + target, headers=headers)
        response = connection.getresponse()
        return Reply(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(MAX_BYTES),
        )
    finally:
        connection.close()


def describe(error: Exception) -> str:
    """Return why a request failed, for after the server's name."""
    match error:
        case TimeoutError():
            return f"does not answer within {SECONDS:.0f} s"
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"does not complete the TLS handshake: {error.strerror}"
        case socket.gaierror():
            return "has a name without an address"
        case OSError():
            reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
            return f"cannot be reached: {reason}"
    return "does not answer with HTTP"


def remedy(error: Exception, *, address: str, ca: str) -> str:
    """Return what to do after a request failed.

    Args:
        error: the exception.
        address: the option with the server's address.
        ca: the option with the file of certificate authorities.
    """
    match error:
        case ssl.SSLCertVerificationError() if error.verify_code in _HOSTNAME_MISMATCH:
            return f"set {address} to a name in the certificate, or get a certificate for this name"
        case ssl.SSLCertVerificationError() if error.verify_code == _EXPIRED:
            return "renew the certificate of the server"
        case ssl.SSLCertVerificationError():
            return f"set {ca} to the file with the authority that issued the certificate"
        case ssl.SSLError():
            return f"check that the port of {address} is the one with TLS"
    return f"check {address}, that the server is running, and the firewall"
