"""Errors of the upstream, as callers may see them who see one project alone.

An error in Prometheus' own form is about the query, and is passed on as it is. Anything else may tell of what
stands behind the gateway: an engine's error with its address and the whole URL, a proxy's page with the names
of its servers. It is replaced by an error of the gateway with the same status, and goes to the log.
"""

from __future__ import annotations

import json
import logging
import zlib
from typing import TYPE_CHECKING

from chrysaetos.errors import BadGateway, UpstreamRefusal
from chrysaetos.http.upstream.response import UpstreamBroken, UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MAX_ERROR_BYTES", "checked_error"]

_log = logging.getLogger(__name__)

MAX_ERROR_BYTES = 256 * 1024
"""Longest error that is looked at. Prometheus' errors quote a part of a query or some labels."""

_LOGGED = 500
"""Characters of an error that go to the log."""

_GZIP = 16 + zlib.MAX_WBITS


async def checked_error(response: UpstreamResponse, request_id: str) -> UpstreamResponse:
    """An error of the upstream that may be passed on.

    Args:
        response: an answer with a status of 400 or more. It is read to its end or aborted.
        request_id: of the request, for the log.

    Returns:
        The same answer, whole.

    Raises:
        UpstreamRefusal: it does not have Prometheus' form.
        BadGateway: it broke off.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in response:
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ERROR_BYTES:
                break
    except UpstreamBroken as error:
        _log.error("%s: an error of Prometheus broke off: %s", request_id, error)
        raise BadGateway("Prometheus' answer broke off") from None
    finally:
        response.abort()
    body = b"".join(pieces)
    content = _decoded(body, response.headers)
    if size > MAX_ERROR_BYTES or not _is_envelope(content):
        shown = ascii(content[:_LOGGED].decode("utf-8", "replace"))
        _log.warning("%s: Prometheus answered %d: %s", request_id, response.status, shown)
        raise UpstreamRefusal(response.status)
    return UpstreamResponse(response.status, response.headers, response.content_length, body, None)


def _decoded(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A body without its encoding, as far as it is looked at; empty if it cannot be read."""
    encodings = [value.strip().lower() for name, value in headers if name == b"content-encoding"]
    if not encodings or encodings == [b"identity"]:
        return body
    if encodings != [b"gzip"]:
        return b""
    try:
        return zlib.decompressobj(_GZIP).decompress(body, MAX_ERROR_BYTES)
    except zlib.error:
        return b""


def _is_envelope(content: bytes) -> bool:
    """Whether it is an error in Prometheus' form (documentation, "HTTP API", "Format overview")."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(fields, dict)
        and fields.get("status") == "error"
        and isinstance(fields.get("errorType"), str)
        and isinstance(fields.get("error"), str)
    )
