"""HTTP answers → data or errors.

Three forms of errors are understood: Prometheus' `{"status": "error", "errorType": …, "error": …}`, which
is the gateway's too, Aetos' `{"error_message": …}`, and that of OpenStack's middleware,
`{"error": {"message": …}}`.

Where Aetos passes a mistake on, its place is in the query as Aetos has rewritten it: its message begins with
`[400]`, so no caret is made of it.
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
    from chrysaetos.client.transport import Answer

__all__ = ["Content", "content", "raise_error", "retry_after"]

_SHOWN = 200
"""Characters of a body that is not understood that an error shows at most."""

_TOO_MUCH = re.compile(
    r"exceeded maximum resolution|too many samples|query processing would load|too (?:large|long|many)|limit",
    re.IGNORECASE,
)
_OPTIONAL = {
    "/api/v1/query_range": "this server has no range queries: Aetos has none, Chrysaetos and Prometheus have",
    "/-/whoami": "this server cannot say who is calling: it is no Chrysaetos gateway",
    "/-/explain": "this server cannot explain queries: it is no Chrysaetos gateway",
}


class Content(NamedTuple):
    """A successful answer's content.

    Attributes:
        data: its `data`; None when the answer has no body.
        warnings, infos: its notes.
    """

    data: Any
    warnings: list[str]
    infos: list[str]


def content(answer: Answer, *, path: str, query: str | None = None) -> Content:
    """What a successful answer holds.

    Args:
        answer: the answer.
        path: what was asked, without the endpoint's own path.
        query: the PromQL that was sent.

    Raises:
        MetricsError: it is an error, or no answer of Prometheus.
    """
    if answer.status == 204:
        return Content(None, [], [])
    if answer.status // 100 != 2:
        raise_error(answer, path=path, query=query)
    try:
        decoded = json.loads(answer.body.decode())
    except (ValueError, RecursionError) as error:
        raise _stranger(answer, query, _kind(answer)) from error
    if not isinstance(decoded, dict) or "status" not in decoded:
        raise _stranger(answer, query, "JSON of another form")
    if decoded["status"] != "success":
        raise_error(answer, path=path, query=query)
    return Content(decoded.get("data"), decoded.get("warnings") or [], decoded.get("infos") or [])


def raise_error(answer: Answer, *, path: str, query: str | None = None) -> NoReturn:
    """Raise the error that an answer is."""
    status = answer.status
    kind, message, understood = _message(answer)
    about: dict[str, Any] = {"status": status, "error_type": kind, "query": query, "url": answer.url}
    if status in {429, 502, 503} or (status == 200 and kind in {"timeout", "unavailable"}):
        raise _unavailable(answer, kind, message, about)
    simple = _SIMPLE.get(status)
    if simple is not None:
        raise simple(message or f"{answer.url} {_UNSAID.get(status, 'failed')} (HTTP {status})", **about)
    if 300 <= status < 400:
        place = answer.headers.get("Location", "").partition("?")[0]
        raise NotPrometheus(f"{answer.url} leads elsewhere ({place}); register that address instead", **about)
    if status in {404, 405, 501}:
        raise _missing(path, message, about, answer=answer, understood=understood)
    if status == 422 or kind == "execution":
        raise (TooLarge if _TOO_MUCH.search(message) else Unprocessable)(message, **about)
    if status == 400 or kind == "bad_data":
        if not understood:
            raise _stranger(answer, query, message or _kind(answer))
        raise (TooLarge if "maximum resolution" in message else BadQuery)(message, **about)
    if status >= 500:
        raise ServerError(message or f"{answer.url} failed with HTTP {status}", **about)
    raise _stranger(answer, query, message or _kind(answer))


_UNSAID = {401: "does not accept the credentials", 403: "does not allow this to the caller"}

_SIMPLE: dict[int, type[MetricsError]] = {
    401: Unauthorized,
    403: Forbidden,
    408: Timeout,
    413: TooLarge,
    414: TooLarge,
    431: TooLarge,
    504: Timeout,
}


def _unavailable(answer: Answer, kind: str | None, message: str, about: dict[str, Any]) -> MetricsError:
    if kind in {"timeout", "canceled"}:
        return Timeout(message, **about)
    if "admin APIs disabled" in message:
        return NotSupported(f"{message}: Prometheus needs --web.enable-admin-api", **about)
    text = message or f"{answer.url} cannot answer now (HTTP {answer.status})"
    return Unavailable(text, retry_after=retry_after(answer), **about)


def _missing(
    path: str, message: str, about: dict[str, Any], *, answer: Answer, understood: bool
) -> MetricsError:
    known = _OPTIONAL.get(path)
    if known is not None:
        return NotSupported(known, **about)
    if answer.status == 404 and not understood and path == "/api/v1/query":
        text = f"there is no Prometheus API at {answer.url}; is the address, with its path, the right one?"
        return NotPrometheus(text, **about)
    return NotSupported(
        f"this server has no {path} (HTTP {answer.status}{message and ': '}{message})", **about
    )


def _message(answer: Answer) -> tuple[str | None, str, bool]:
    """Error type, message in one line, and whether the form was understood."""
    try:
        decoded = json.loads(answer.body.decode())
    except (ValueError, RecursionError):
        return None, _plain(answer), False
    if isinstance(decoded, dict):
        error = decoded.get("error")
        if isinstance(error, str):
            kind = decoded.get("errorType")
            return kind if isinstance(kind, str) else None, _line(error), True
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            return None, _line(error["message"]), True
        message = decoded.get("error_message")
        if isinstance(message, dict):
            message = message.get("faultstring")
        if isinstance(message, str):
            return None, _line(message), True
    return None, "", False


def _line(text: str) -> str:
    """The first line: the gateway shows the query with a caret in the others."""
    return text.strip().partition("\n")[0].strip()


def _plain(answer: Answer) -> str:
    """A body as it is, when it is text that people can read."""
    if "html" in answer.headers.get("Content-Type", "") or answer.body.lstrip()[:1] == b"<":
        return ""
    text = answer.body[: 4 * _SHOWN].decode("utf-8", "replace")
    return " ".join(text.split())[:_SHOWN] if text.isprintable() or "\n" in text else ""


def _kind(answer: Answer) -> str:
    """What a body is that is not understood."""
    if answer.body.lstrip()[:1] == b"<":
        return "HTML"
    return answer.headers.get("Content-Type", "").partition(";")[0].strip() or "something without a type"


def _stranger(answer: Answer, query: str | None, what: str) -> NotPrometheus:
    return NotPrometheus(
        f"what answers at {answer.url} is no Prometheus API: HTTP {answer.status}, {what}",
        status=answer.status,
        query=query,
        url=answer.url,
    )


def retry_after(answer: Answer) -> float | None:
    """`Retry-After` in seconds (RFC 9110, 10.2.3: seconds or a date); None when it is not said."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - time.time())
