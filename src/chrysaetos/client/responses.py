"""Decode HTTP responses to data or errors.

Three error formats are understood: Prometheus' ``{"status": "error", "errorType": …, "error": …}``, which the
gateway uses, too; Aetos' ``{"error_message": …}``; and OpenStack middleware's ``{"error": {"message": …}}``.

The positions in Aetos' parse errors refer to the query as Aetos has rewritten it. Its messages begin with
``[400]``, so they are not taken for positions in the caller's query.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from chrysaetos.client.errors import (
    BadQuery,
    Forbidden,
    MetricsError,
    NotPrometheus,
    NotSupported,
    ServerError,
    Timeout,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unprocessable,
)

if TYPE_CHECKING:
    from chrysaetos.client.transport import Response

__all__ = ["Payload", "decode", "retry_after", "truncate"]

_MAX_EXCERPT = 200
"""Characters of an unknown body that an error shows."""

_TOO_LARGE = re.compile(
    r"exceeded maximum resolution|too many samples|query processing would load|too (?:large|long|many)|limit",
    re.IGNORECASE,
)
_NOT_SUPPORTED = {
    "/api/v1/query_range": "this server has no range queries; Aetos does not support them",
    "/-/whoami": "this server does not support whoami: it is not a Chrysaetos gateway",
    "/-/explain": "this server does not support explain: it is not a Chrysaetos gateway",
}
_ANNOTATIONS = ("PromQL warning", "PromQL info")
_TRUNCATED = "results truncated due to limit"
_PARTIAL = "the response is partial: not all storage nodes have answered"
_WITHOUT_MESSAGE = {401: "does not accept the credentials", 403: "does not authorize the caller"}
_BY_STATUS: dict[int, type[MetricsError]] = {
    401: Unauthorized,
    403: Forbidden,
    408: Timeout,
    413: TooLarge,
    414: TooLarge,
    431: TooLarge,
    504: Timeout,
}


class Payload(NamedTuple):
    """The content of a successful response.

    Attributes:
        data: the response's ``data``; None if it has no body.
        warnings, infos: the response's annotations.
        restricted: whether a gateway has restricted the request to some projects; None if it does not say.
    """

    data: Any
    warnings: list[str]
    infos: list[str]
    restricted: bool | None

    def missing_data(self, *, limited: bool) -> list[str]:
        """Return the warnings that mean that data are missing.

        Prometheus prefixes all annotations of the PromQL engine with ``PromQL warning:`` or ``PromQL info:``
        (``util/annotations``); up to 2.54, infos are among the warnings. They describe the query. Any other
        warning is an error of a storage that is not fatal, such as a remote storage or a store of Thanos
        that did not answer, or a truncation.

        Args:
            limited: whether the caller sent a limit, so that a truncation was requested.
        """
        return [
            text
            for text in self.warnings
            if not text.startswith(_ANNOTATIONS) and not (limited and text == _TRUNCATED)
        ]


class _Error(NamedTuple):
    """The content of an error response.

    Attributes:
        type: Prometheus' ``errorType``, None if there is none.
        message: one line; empty if there is none.
        known: whether the body has one of the known formats.
    """

    type: str | None
    message: str
    known: bool


def decode(response: Response, *, path: str, query: str | None = None) -> Payload:
    """Return the content of a successful response.

    Args:
        response: the response.
        path: the path of the request below the endpoint.
        query: the PromQL that was sent.

    Raises:
        MetricsError: the response is an error, or not one of a Prometheus API.
    """
    if response.status == 204:
        return Payload(None, [], [], None)
    if response.status // 100 != 2:
        _raise_error(response, path=path, query=query)
    try:
        decoded = json.loads(response.body.decode())
    except (ValueError, RecursionError) as error:
        raise _not_prometheus(response, query, _media_type(response)) from error
    if not isinstance(decoded, dict) or "status" not in decoded:
        raise _not_prometheus(response, query, "JSON of another format")
    if decoded["status"] != "success":
        _raise_error(response, path=path, query=query)
    scope = response.headers.get("X-Chrysaetos-Scope")
    restricted = None if scope is None else scope != "all"
    warnings = _texts(decoded.get("warnings"))
    if decoded.get("isPartial") is True:  # VictoriaMetrics' cluster
        warnings.append(_PARTIAL)
    return Payload(decoded.get("data"), warnings, _texts(decoded.get("infos")), restricted)


def truncate(items: list[Any], limit: int | None, warnings: list[str]) -> list[Any]:
    """Return at most ``limit`` items, and add Prometheus' warning if that removes some.

    Older releases of Prometheus ignore the parameter ``limit``.

    Args:
        items: the items of the data.
        limit: the maximum number; None or 0 for no limit.
        warnings: the response's warnings.
    """
    if not limit or len(items) <= limit:
        return items
    if _TRUNCATED not in warnings:
        warnings.append(_TRUNCATED)
    return items[:limit]


def _texts(annotations: Any) -> list[str]:
    if not annotations:
        return []
    return [str(each) for each in annotations] if isinstance(annotations, list) else [str(annotations)]


def _raise_error(response: Response, *, path: str, query: str | None = None) -> NoReturn:
    status = response.status
    error = _read_error(response)
    message = error.message
    details: dict[str, Any] = {
        "status": status,
        "error_type": error.type,
        "query": query,
        "url": response.url,
    }
    if status in {429, 502, 503} or (status == 200 and error.type in {"timeout", "unavailable"}):
        raise _unavailable(response, error, details)
    by_status = _BY_STATUS.get(status)
    if by_status is not None:
        raise by_status(
            message or f"{response.url} {_WITHOUT_MESSAGE.get(status, 'failed')} (HTTP {status})", **details
        )
    if 300 <= status < 400:
        location = response.headers.get("Location", "").partition("?")[0]
        raise NotPrometheus(
            f"{response.url} redirects to {location}; register that URL as the endpoint instead", **details
        )
    if status in {404, 405, 501}:
        raise _missing(response, error, path, details)
    if status == 422 or error.type == "execution":
        raise (TooLarge if _TOO_LARGE.search(message) else Unprocessable)(message, **details)
    if status == 400 or error.type == "bad_data":
        if not error.known:
            raise _not_prometheus(response, query, message or _media_type(response))
        raise (TooLarge if "maximum resolution" in message else BadQuery)(message, **details)
    if status >= 500:
        raise ServerError(message or f"{response.url} failed with HTTP {status}", **details)
    raise _not_prometheus(response, query, message or _media_type(response))


def _unavailable(response: Response, error: _Error, details: dict[str, Any]) -> MetricsError:
    if error.type in {"timeout", "canceled"}:
        return Timeout(error.message, **details)
    if "admin APIs disabled" in error.message:
        return NotSupported(f"{error.message}: Prometheus needs --web.enable-admin-api", **details)
    text = error.message or f"{response.url} is temporarily unavailable (HTTP {response.status})"
    return Unavailable(text, retry_after=retry_after(response), **details)


def _missing(response: Response, error: _Error, path: str, details: dict[str, Any]) -> MetricsError:
    known = _NOT_SUPPORTED.get(path)
    if known is not None:
        return NotSupported(known, **details)
    if response.status == 404 and not error.known and path == "/api/v1/query":
        text = f"there is no Prometheus API at {response.url}; check the URL and its path"
        return NotPrometheus(text, **details)
    return NotSupported(
        f"this server does not have {path} (HTTP {response.status}{error.message and ': '}{error.message})",
        **details,
    )


def _read_error(response: Response) -> _Error:
    try:
        decoded = json.loads(response.body.decode())
    except (ValueError, RecursionError):
        return _Error(None, _plain_text(response), known=False)
    if isinstance(decoded, dict):
        error = decoded.get("error")
        if isinstance(error, str):
            kind = decoded.get("errorType")
            return _Error(kind if isinstance(kind, str) else None, _first_line(error), known=True)
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return _Error(None, _first_line(error["message"]), known=True)
        message = decoded.get("error_message")
        if isinstance(message, dict):
            message = message.get("faultstring")
        if isinstance(message, str):
            return _Error(None, _first_line(message), known=True)
    return _Error(None, "", known=False)


def _first_line(text: str) -> str:
    """Return the first line: the gateway shows the query and a caret in the following ones."""
    return text.strip().partition("\n")[0].strip()


def _plain_text(response: Response) -> str:
    """Return the beginning of a body that is readable text, empty for any other."""
    if "html" in response.headers.get("Content-Type", "") or response.body.lstrip()[:1] == b"<":
        return ""
    text = response.body[: 4 * _MAX_EXCERPT].decode("utf-8", "replace")
    return " ".join(text.split())[:_MAX_EXCERPT] if text.isprintable() or "\n" in text else ""


def _media_type(response: Response) -> str:
    if response.body.lstrip()[:1] == b"<":
        return "HTML"
    return response.headers.get("Content-Type", "").partition(";")[0].strip() or "no Content-Type"


def _not_prometheus(response: Response, query: str | None, found: str) -> NotPrometheus:
    return NotPrometheus(
        f"the server at {response.url} is not a Prometheus API: HTTP {response.status}, {found}",
        status=response.status,
        query=query,
        url=response.url,
    )


def retry_after(response: Response) -> float | None:
    """Return ``Retry-After`` in seconds; None if there is none. RFC 9110, 10.2.3: seconds or a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time())
