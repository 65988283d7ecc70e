"""The client's errors.

Exceptions of the libraries below are always converted to one of these::

    ChrysaetosError
    └── MetricsError
        ├── InvalidArgument     an argument cannot be sent; also a ValueError
        ├── NotRegistered       the catalog has no such service
        ├── Unauthorized        401, or Keystone rejects the credentials
        ├── Forbidden           403
        ├── BadQuery            400: invalid query or parameter; with line, column and caret
        ├── Unprocessable       422: a valid query that cannot be executed
        │   └── TooLarge        too many samples or points, or a request or response that is too long
        ├── Timeout             no response in time
        ├── Unreachable         no connection, or a broken one
        ├── Unavailable         429, 502 or 503 after all attempts, with Retry-After
        ├── NotSupported        404, 405, 501: the server does not have the endpoint
        ├── NotPrometheus       the server is not a Prometheus API
        ├── ServerError         any other 5xx
        ├── PartialResult       data are missing in the response, and the client requires complete ones
        ├── UnexpectedResult    the result has another type or number of series than expected
        └── MissingPackage      an optional package is not installed
"""

from __future__ import annotations

import re

from chrysaetos.errors import ChrysaetosError, QueryError

__all__ = [
    "BadQuery",
    "Forbidden",
    "InvalidArgument",
    "MetricsError",
    "MissingPackage",
    "NotPrometheus",
    "NotRegistered",
    "NotSupported",
    "PartialResult",
    "ServerError",
    "Timeout",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResult",
    "Unprocessable",
    "Unreachable",
]

# Prometheus writes `1:5: parse error: …`, columns in bytes; the gateway `1:5: …`, columns in characters.
_POSITION = re.compile(r'(?:invalid parameter "[^"]*": )?(\d{1,9}):(\d{1,9}): (parse error)?')


class MetricsError(ChrysaetosError):
    """Base class of the client's errors.

    Args:
        message: one line: what happened, and what to do.
        status: the HTTP status, None if there was no response.
        error_type: Prometheus' ``errorType``, None if there was none.
        query: the PromQL that was sent, None for a call without a query.
        url: the URL of the request, without user, password and query.

    Attributes:
        retryable: whether the same call may succeed later.
    """

    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_type: str | None = None,
        query: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.error_type = error_type
        self.query = query
        self.url = url


class InvalidArgument(MetricsError, ValueError):
    """An argument cannot be sent, such as a time without a zone, a step of 0, or a surrogate."""


class NotRegistered(MetricsError):
    """The catalog has no such service for the interface and region."""


class Unauthorized(MetricsError):
    """The server rejects the credentials (401), or Keystone issues no token for them."""


class Forbidden(MetricsError):
    """The caller is authenticated but not authorized (403)."""


class BadQuery(MetricsError):
    """The query or another parameter is invalid (400).

    Attributes:
        line, column: the position in the query, counted from 1, in characters; None if unknown.
        excerpt: the line of the query with a caret below it, as two lines of text; empty if the position is
            unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = 400,
        error_type: str | None = None,
        query: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(message, status=status, error_type=error_type, query=query, url=url)
        self.line: int | None = None
        self.column: int | None = None
        self.excerpt = ""
        found = _POSITION.match(message)
        if found and query:
            place = _index(query, int(found[1]), int(found[2]), in_bytes=found[3] is not None)
            if place is not None:
                located = QueryError(message, query, place)
                self.line, self.column, self.excerpt = located.line, located.column, located.excerpt()
                self.args = (f"{message}\n{self.excerpt}",)


def _index(text: str, line: int, column: int, *, in_bytes: bool) -> int | None:
    """Return the index of a position that is counted from 1; None if the text has no such position."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return None
    shown = lines[line - 1]
    offset = column - 1
    if in_bytes:
        offset = len(shown.encode("utf-8", "surrogatepass")[:offset].decode("utf-8", "ignore"))
    if not 0 <= offset <= len(shown):
        return None
    return sum(len(earlier) + 1 for earlier in lines[: line - 1]) + offset


class Unprocessable(MetricsError):
    """The query is valid but cannot be executed (422)."""


class TooLarge(Unprocessable):
    """Too many samples or points, or a request or response that is too long."""


class Timeout(MetricsError):
    """There was no response in time, or the server aborted the query."""

    retryable = True


class Unreachable(MetricsError):
    """The server or Keystone cannot be reached, or the connection broke.

    Args:
        message: which of them, and why.
        url: the URL of the request, without user, password and query.
        retryable: False for a permanent failure, such as an untrusted certificate.
        responding: whether the server had begun to respond when the connection broke.
    """

    def __init__(
        self, message: str, *, url: str | None = None, retryable: bool = True, responding: bool = False
    ) -> None:
        super().__init__(message, url=url)
        self.retryable = retryable
        self.responding = responding


class Unavailable(MetricsError):
    """The server is temporarily unavailable (429, 502, 503).

    Attributes:
        retry_after: seconds to wait before the next attempt, None if the server did not say.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = 503,
        error_type: str | None = None,
        query: str | None = None,
        url: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, error_type=error_type, query=query, url=url)
        self.retry_after = retry_after


class NotSupported(MetricsError):
    """The server does not have the endpoint (404, 405, 501), or it is disabled."""


class NotPrometheus(MetricsError):
    """The server speaks HTTP but is not a Prometheus API."""


class ServerError(MetricsError):
    """The server failed (5xx)."""

    retryable = True


class PartialResult(MetricsError):
    """Data are missing in a successful response, for example because a store of Thanos is down."""

    retryable = True


class UnexpectedResult(MetricsError):
    """The result has another type or number of series than expected."""


class MissingPackage(MetricsError):
    """An optional package is not installed."""
