"""All public errors, and the function that renders them.

    ChrysaetosError
    ├── ConfigError                   an invalid setting; the program does not start
    └── ApiError                      an error response: status, errorType, message
        ├── BadRequest                400 bad_data
        │   └── QueryError            the caller's PromQL, with line, column and caret
        ├── Unauthorized              401 unauthorized, with WWW-Authenticate
        ├── Forbidden                 403 forbidden
        ├── NotFound                  404 not_found
        ├── MethodNotAllowed          405 bad_data, with Allow
        ├── RequestTimeout            408 timeout
        ├── Conflict                  409 bad_data
        ├── ContentTooLarge           413 bad_data
        ├── UriTooLong                414 bad_data
        ├── UnsupportedMediaType      415 bad_data
        ├── ExpectationFailed         417 bad_data
        ├── ResponseTooLarge          422 execution
        ├── BudgetExceeded            422 cost_limit
        ├── TooManyRequests           429 too_many_requests, with Retry-After
        ├── HeadersTooLarge           431 bad_data
        ├── BadGateway                502 bad_gateway
        ├── Unavailable               503 unavailable, with Retry-After
        ├── GatewayTimeout            504 timeout
        └── UpstreamRefusal           the upstream's own status, without its text

The body has Prometheus' error format (Prometheus documentation, "HTTP API", "Format overview"):
``{"status": "error", "errorType": "...", "error": "..."}``. The error types that Prometheus has (bad_data,
execution, timeout, unavailable, not_found) keep their meaning; the others are additions.

Messages are for the caller: they say what was wrong and what to do, and never contain a secret. They begin in
lower case, unless with a name, and do not end with a full stop.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ApiError",
    "BadGateway",
    "BadRequest",
    "BudgetExceeded",
    "ChrysaetosError",
    "ConfigError",
    "Conflict",
    "ContentTooLarge",
    "ExpectationFailed",
    "Forbidden",
    "GatewayTimeout",
    "HeadersTooLarge",
    "MethodNotAllowed",
    "NotFound",
    "QueryError",
    "RequestTimeout",
    "ResponseTooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
    "UpstreamRefusal",
    "UriTooLong",
    "render",
]

Headers = list[tuple[bytes, bytes]]

_EXCERPT = 80
"""Maximum number of characters of the caller's line in an excerpt."""

_TYPES = {
    404: "not_found",
    422: "execution",
    429: "too_many_requests",
    503: "unavailable",
    504: "timeout",
}
"""Error types by status. Any other status below 500 is ``bad_data``, above ``internal``."""


class ChrysaetosError(Exception):
    """The base class of all errors of this package."""


class ConfigError(ChrysaetosError):
    """A setting is invalid. The message names the option and the expected value."""


class ApiError(ChrysaetosError):
    """An error that is returned as the response to a request.

    Args:
        message: what happened and what to do, for the caller.
    """

    status: int = 500
    error_type: str = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Callable[..., ApiError], tuple[object, ...], dict[str, object]]:
        """Return how to copy it to another process: the arguments of subclasses differ from ``args``."""
        return type(self).__new__, (type(self), *self.args), self.__dict__

    def headers(self) -> Headers:
        """Return the headers of this response in addition to those of every error."""
        return []


class BadRequest(ApiError):
    """The request cannot be understood."""

    status = 400
    error_type = "bad_data"


class QueryError(BadRequest):
    """A PromQL text is invalid or too large.

    Args:
        reason: what is wrong, without the position.
        text: the caller's whole text.
        start: index of the first wrong character, 0 to ``len(text)``.
        end: index after the last one; ``start + 1`` if None.

    Attributes:
        line, column: the position in characters, both from 1.
    """

    def __init__(self, reason: str, text: str, start: int, end: int | None = None) -> None:
        self.reason = reason
        self.text = text
        self.start = start
        self.end = start + 1 if end is None else end
        self.line = text.count("\n", 0, start) + 1
        self.column = start - (text.rfind("\n", 0, start) + 1) + 1
        super().__init__(f"{self.line}:{self.column}: {reason}")

    def excerpt(self) -> str:
        """Return the caller's line with a caret under the wrong part, as two lines."""
        first = self.start - self.column + 1
        last = self.text.find("\n", self.start)
        line = self.text[first : len(self.text) if last < 0 else last]
        offset = self.column - 1
        cut = max(0, offset - _EXCERPT // 2)
        width = max(1, min(self.end - self.start, len(line) - offset, _EXCERPT // 2))
        shown = "".join(c if c.isprintable() else " " for c in line[cut : cut + _EXCERPT])
        return f"{shown}\n{' ' * (offset - cut)}{'^' * width}"

    def __str__(self) -> str:
        return f"{self.message}\n{self.excerpt()}"


class Unauthorized(ApiError):
    """The caller is not authenticated.

    Args:
        message: what to send.
        challenges: values of ``WWW-Authenticate`` (RFC 9110, 11.6.1), one header each.
    """

    status = 401
    error_type = "unauthorized"

    def __init__(self, message: str, challenges: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.challenges = challenges

    def headers(self) -> Headers:
        """Return one ``WWW-Authenticate`` header for each challenge."""
        return [(b"www-authenticate", challenge.encode("latin-1")) for challenge in self.challenges]


class Forbidden(ApiError):
    """The caller is authenticated but not allowed to do this."""

    status = 403
    error_type = "forbidden"


class NotFound(ApiError):
    """The path is not served, by the gateway or by the engine."""

    status = 404
    error_type = "not_found"


class MethodNotAllowed(ApiError):
    """The path does not support the method.

    Args:
        message: what to send.
        allowed: the methods that the path supports (RFC 9110, 15.5.6).
    """

    status = 405
    error_type = "bad_data"

    def __init__(self, message: str, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed

    def headers(self) -> Headers:
        """Return ``Allow`` with the methods of the path."""
        return [(b"allow", ", ".join(self.allowed).encode("ascii"))]


class RequestTimeout(ApiError):
    """The request did not arrive in time."""

    status = 408
    error_type = "timeout"


class Conflict(ApiError):
    """The web page's session is in another project than the page."""

    status = 409
    error_type = "bad_data"


class ContentTooLarge(ApiError):
    """The request's body is longer than the limit."""

    status = 413
    error_type = "bad_data"


class UriTooLong(ApiError):
    """The request's URL is longer than the limit."""

    status = 414
    error_type = "bad_data"


class UnsupportedMediaType(ApiError):
    """The media type of the request's body is not supported."""

    status = 415
    error_type = "bad_data"


class ResponseTooLarge(ApiError):
    """The upstream's response is longer than the limit; Prometheus has this status for too many samples."""

    status = 422
    error_type = "execution"


class BudgetExceeded(ApiError):
    """The query would read more, or takes longer, than its budget allows; Prometheus' own error for it."""

    status = 422
    error_type = "cost_limit"


class ExpectationFailed(ApiError):
    """The server does not support the request's ``Expect`` header."""

    status = 417
    error_type = "bad_data"


class HeadersTooLarge(ApiError):
    """The request's header fields are too many or too long."""

    status = 431
    error_type = "bad_data"


class _Retryable(ApiError):
    """An error after which the caller should retry.

    Args:
        message: what happened and what to do, for the caller.
        retry_after: seconds after which the caller should retry.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def headers(self) -> Headers:
        """Return ``Retry-After`` in seconds (RFC 9110, 10.2.3)."""
        return [(b"retry-after", str(self.retry_after).encode("ascii"))]


class TooManyRequests(_Retryable):
    """The caller sends too many requests, or too many with invalid credentials."""

    status = 429
    error_type = "too_many_requests"


class BadGateway(ApiError):
    """The response of Prometheus is invalid, cut off, or not for clients."""

    status = 502
    error_type = "bad_gateway"


class Unavailable(_Retryable):
    """Keystone or Prometheus cannot be reached, or the gateway is at a limit."""

    status = 503
    error_type = "unavailable"


class GatewayTimeout(ApiError):
    """The upstream did not answer in time."""

    status = 504
    error_type = "timeout"


class UpstreamRefusal(ApiError):
    """The upstream responded with an error that must not be shown to the caller.

    Args:
        status: the upstream's status, 400 to 599.
    """

    def __init__(self, status: int) -> None:
        super().__init__(
            f"Prometheus refused the request with status {status}; its reason is in the gateway's log, under "
            "the id of this request"
        )
        self.status = status
        self.error_type = _TYPES.get(status, "bad_data" if status < 500 else "internal")

    def headers(self) -> Headers:
        """Return ``Retry-After`` for the statuses that have it."""
        return [(b"retry-after", b"1")] if self.status in {429, 503} else []


def render(error: ApiError) -> tuple[int, Headers, bytes]:
    """Return the status, headers and body of an error response.

    Returns:
        The status; the headers, including ``Content-Length``; the JSON body in Prometheus' error format.
    """
    body = json.dumps({"status": "error", "errorType": error.error_type, "error": str(error)}).encode()
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
        (b"cache-control", b"no-store"),
    ]
    return error.status, headers + error.headers(), body
