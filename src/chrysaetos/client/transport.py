"""The interface between the client and the transports that carry its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROJECT_HEADER", "SERVICE_TYPE", "Request", "Response", "Transport", "request_headers"]

SERVICE_TYPE = "metric-storage"
"""The type of the gateway's service in Keystone's catalog."""

PROJECT_HEADER = "X-Chrysaetos-Project"
"""Restricts a request to one project. A gateway repeats it in its response."""


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
        method: the HTTP method.
        target: path and query, percent-encoded.
        form: the body, URL-encoded; None for a request without a body.
        compressed: whether to accept a compressed response.
        idempotent: False for a request that must not be sent twice.
        project: the project that a gateway restricts the request to; None for all that the caller may see.
    """

    method: str
    target: str
    form: str | None = None
    compressed: bool = True
    idempotent: bool = True
    project: str | None = None


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

    def send(self, request: Request, timeout: float | None = None) -> Response:
        """Send a request and return the response, whatever its status.

        Args:
            request: the request.
            timeout: seconds, or None for no limit.

        Raises:
            MetricsError: there was no response.
        """
        ...

    def close(self) -> None:
        """Close the connections that belong to the transport."""
        ...


def request_headers(base: Mapping[str, str], request: Request) -> dict[str, str]:
    """Return the headers of a request, including those of every request."""
    headers = dict(base)
    if request.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if not request.compressed:
        headers["Accept-Encoding"] = "identity"
    if request.project is not None:
        headers[PROJECT_HEADER] = request.project
    return headers
