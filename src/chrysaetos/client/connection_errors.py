"""Turn the exceptions of requests, urllib3 and the operating system into the client's errors."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions

from chrysaetos.client.errors import InvalidArgument, MetricsError, Timeout, Unreachable
from chrysaetos.client.urls import strip_url

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TRANSPORT_EXCEPTIONS", "cause_to_show", "connection_error", "short_message"]

TRANSPORT_EXCEPTIONS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""Exceptions of requests and the layers below it that mean that there is no response."""

_URLLIB3_MESSAGE = re.compile(": HTTPS?ConnectionPool")
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_INVALID_REQUESTS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    UnicodeError,  # a header that is not Latin-1, or an invalid host name
)
_CONNECTION_FAILURES = (
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.NewConnectionError,
    ConnectionError,
)


def short_message(error: Exception) -> str:
    """Return the first line of keystoneauth1's message without urllib3's, which repeats it in detail."""
    return _URLLIB3_MESSAGE.split(str(error).partition("\n")[0])[0]


def connection_error(error: Exception, url: str, server: str, timeout: float | None) -> MetricsError:
    """Return the client's error for a request that got no response.

    Args:
        error: the exception that was raised.
        url: the URL of the request.
        server: the server's role, such as ``Keystone``.
        timeout: the request's time limit in seconds, None for none.
    """
    place = strip_url(url)
    causes = list(_causes(error))
    certificate = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        return Unreachable(
            f"the certificate of {server} at {place} is not trusted: {certificate.verify_message}; "
            "a private CA can be given with --os-cacert, OS_CACERT, or verify in Python",
            url=place,
            retryable=False,
        )
    if any(isinstance(cause, ssl.SSLError | requests.exceptions.SSLError) for cause in causes):
        return Unreachable(
            f"the TLS handshake with {server} at {place} failed: {_reason(causes)}; "
            "check that the port is right and speaks https",
            url=place,
            retryable=False,
        )
    # In urllib3, a refused connection (NewConnectionError) is a subclass of a timeout.
    if any(
        isinstance(cause, _TIMEOUTS) and not isinstance(cause, urllib3.exceptions.NewConnectionError)
        for cause in causes
    ):
        within = "in time" if timeout is None else f"within {timeout:.3g} s"
        return Timeout(f"{server} at {place} did not respond {within}", url=place)
    if any(isinstance(cause, _INVALID_REQUESTS) for cause in causes):
        # requests would show the header, which may be a token.
        reason = "a header is invalid" if any(map(_is_about_header, causes)) else _reason(causes)
        return InvalidArgument(f"cannot send a request to {place}: {reason}", url=place)
    permanent = any(isinstance(cause, socket.gaierror | FileNotFoundError) for cause in causes) or not any(
        isinstance(cause, _CONNECTION_FAILURES) for cause in causes
    )
    return Unreachable(
        f"the request to {server} at {place} failed: {_reason(causes)}",
        url=place,
        retryable=not permanent,
        responding=any(isinstance(cause, requests.exceptions.ChunkedEncodingError) for cause in causes),
    )


def cause_to_show(converted: MetricsError, error: Exception) -> Exception | None:
    """Return the cause of a converted exception, None if a traceback of it may show a token."""
    return None if isinstance(converted, InvalidArgument) else error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, including those that urllib3 keeps in ``args`` and ``reason``."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _is_about_header(cause: BaseException) -> bool:
    return isinstance(cause, requests.exceptions.InvalidHeader) or (
        isinstance(cause, UnicodeEncodeError) and cause.encoding == "latin-1"
    )


def _reason(causes: list[BaseException]) -> str:
    """Return the operating system's message, else a message or the class of the innermost exception."""
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return str(cause.strerror)
    if any(isinstance(cause, http.client.IncompleteRead) for cause in causes):
        return "the connection was closed before the end of the response"
    for cause in reversed(causes):
        if isinstance(cause, urllib3.exceptions.ProtocolError | OSError) and cause.args:
            return str(cause.args[0])
    return type(causes[-1]).__name__
