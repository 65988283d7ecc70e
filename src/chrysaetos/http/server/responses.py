"""Complete responses: status, headers and body."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.errors import Headers

    Response = tuple[int, Headers, bytes]
    """Status, headers and body."""

__all__ = ["json_response", "text"]

_TEXT = (b"content-type", b"text/plain; charset=utf-8")


def text(status: int, line: str, *headers: tuple[bytes, bytes]) -> Response:
    """Return a response with one line of text.

    Args:
        status: the status.
        line: the line, without a line break.
        headers: further headers.
    """
    return status, [_TEXT, *headers], f"{line}\n".encode()


def json_response(status: int, value: object) -> Response:
    """Return a response with a JSON value, which must not be cached."""
    body = json.dumps(value).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    return status, headers, body
