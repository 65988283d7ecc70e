"""Every error of the client. Nothing else is raised on purpose, whatever library is beneath.

ChrysaetosError
└── MetricsError
    ├── InvalidArgument     what the caller passed cannot be sent; a ValueError as well
    ├── NotRegistered       the catalog has no such service
    ├── Unauthorized        401, or Keystone refuses the credentials
    ├── Forbidden           403
    ├── BadQuery            400: the query, or a parameter; with line, column and caret
    ├── Unprocessable       422: understood, and could not be executed
    │   └── TooLarge        too many samples or points, or an answer or a request that is too long
    ├── Timeout             no answer in time
    ├── Unreachable         no connection, or one that broke
    ├── Unavailable         429, 502, 503 after all tries, with Retry-After
    ├── NotSupported        404, 405, 501: the server has no such call
    ├── NotPrometheus       what answers is no Prometheus API
    ├── ServerError         any other 5xx
    ├── UnexpectedResult    another type or number of series than asked for
    └── MissingPackage      something that is not installed
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
    """The root of the client's errors.

    Args:
        message: one line: what happened, and what to do.
        status: the HTTP status, None when there was no answer.
        error_type: Prometheus' `errorType`, None when there was none.
        query: the PromQL that was sent, None when the call has none.
        url: what was asked, without user, password and parameters.

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
    """What the caller passed cannot be sent: a time without a zone, a step of 0, a surrogate in a text."""


class NotRegistered(MetricsError):
    """Keystone's catalog has no such service for the interface and region."""


class Unauthorized(MetricsError):
    """The server does not accept the credentials (401), or Keystone gives no token for them."""


class Forbidden(MetricsError):
    """The caller is known and may not do this (403)."""


class BadQuery(MetricsError):
    """The query, or another parameter, is refused (400).

    Attributes:
        line, column: the place in the query, both counted from 1, in characters; None when it is not known.
        excerpt: the line at fault with a caret below it, as two lines of text; empty when the place is not
            known.
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

    def __str__(self) -> str:
        return f"{self.message}\n{self.excerpt}" if self.excerpt else self.message


def _index(text: str, line: int, column: int, *, in_bytes: bool) -> int | None:
    """Index of the character at a place that is counted from 1; None when the text has no such place."""
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
    """The query was understood and could not be executed (422)."""


class TooLarge(Unprocessable):
    """Too many samples or points, or an answer or a request that is too long."""


class Timeout(MetricsError):
    """There was no answer in time, or the server gave the query up."""

    retryable = True


class Unreachable(MetricsError):
    """The server, or Keystone, cannot be reached, or the connection broke.

    Args:
        message: which one, and why.
        url: what was asked.
        query: the PromQL that was sent.
        retryable: False for what does not heal by itself, such as a certificate that is not trusted.
    """

    def __init__(
        self, message: str, *, url: str | None = None, query: str | None = None, retryable: bool = True
    ) -> None:
        super().__init__(message, url=url, query=query)
        self.retryable = retryable


class Unavailable(MetricsError):
    """The server cannot answer now (429, 502, 503).

    Attributes:
        retry_after: seconds until another try is worth while, None when it was not said.
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
    """The server has no such call (404, 405, 501, or switched off)."""


class NotPrometheus(MetricsError):
    """What answers there speaks HTTP and is no Prometheus API."""


class ServerError(MetricsError):
    """The server failed (5xx)."""

    retryable = True


class UnexpectedResult(MetricsError):
    """The result has another type, or another number of series, than was asked for."""


class MissingPackage(MetricsError):
    """A package that is optional is not installed."""
