"""The interface between the client and the transports that carry its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Response", "Transport", "request_headers"]


class Response(NamedTuple):
    """A complete HTTP response.

    Attributes:
        status: the HTTP status.
        headers: the headers; names are case-insensitive.
        body: the body with any content coding removed.
        url: the URL of the request without user, password and query.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Transport(Protocol):
    """Sends requests to one server. Safe for concurrent use by any number of threads."""

    def endpoint(self, timeout: float | None) -> str:
        """Return the URL that paths are appended to, without a trailing slash.

        Args:
            timeout: seconds, or None for no limit.

        Raises:
            MetricsError: the endpoint cannot be determined.
        """
        ...

    def send(
        self,
        method: str,
        target: str,
        *,
        form: str | None = None,
        compressed: bool = True,
        timeout: float | None = None,
        idempotent: bool = True,
    ) -> Response:
        """Send one request and return the response, whatever its status.

        Args:
            method: the HTTP method.
            target: path and query, percent-encoded.
            form: the body, URL-encoded.
            compressed: whether to accept a compressed response.
            timeout: seconds, or None for no limit.
            idempotent: False for a request that must not be sent twice.

        Raises:
            MetricsError: there was no response.
        """
        ...

    def close(self) -> None:
        """Close the connections that belong to the transport."""
        ...


def request_headers(base: Mapping[str, str], form: str | None, *, compressed: bool) -> dict[str, str]:
    """Return the headers of one request.

    Args:
        base: the headers of every request.
        form: the body, None for a request without one.
        compressed: whether to accept a compressed response.
    """
    headers = dict(base)
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if not compressed:
        headers["Accept-Encoding"] = "identity"
    return headers
