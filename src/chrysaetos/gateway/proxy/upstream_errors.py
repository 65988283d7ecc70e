"""Errors of the upstream, as callers may see them who see one project alone.

An error in Prometheus' own form is about the query, and is passed on as it is, but for a position in the
query: that of the scoped text is replaced by that of the caller's text. Anything else may tell of what stands
behind the gateway: an engine's error with its address and the whole URL, a proxy's page with the names of its
servers. It is replaced by an error of the gateway with the same status, and goes to the log.
"""

from __future__ import annotations

import json
import logging
import zlib
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import BadGateway, UpstreamRefusal
from chrysaetos.http.upstream.response import BodyTooLong, UpstreamBroken, UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["MAX_ERROR_BYTES", "checked_error"]

_log = logging.getLogger(__name__)

MAX_ERROR_BYTES = 256 * 1024
"""Longest error that is looked at. Prometheus' errors quote a part of a query or some labels."""

_LOGGED = 500
"""Characters of an error that go to the log."""

_GZIP = 16 + zlib.MAX_WBITS


async def checked_error(
    response: UpstreamResponse, request_id: str, restore: Callable[[str], str] | None = None
) -> UpstreamResponse:
    """An error of the upstream that may be passed on.

    Args:
        response: an answer with a status of 400 or more. It is read to its end or aborted.
        request_id: of the request, for the log.
        restore: makes the caller's message from the upstream's; None where they are the same.

    Returns:
        The same answer, whole; uncompressed if its message had to be changed.

    Raises:
        UpstreamRefusal: it does not have Prometheus' form.
        BadGateway: it broke off.
    """
    whole = True
    try:
        body = await response.read(MAX_ERROR_BYTES)
    except BodyTooLong as error:
        whole, body = False, error.beginning
    except UpstreamBroken as error:
        _log.error("%s: an error of Prometheus broke off: %s", request_id, error)
        raise BadGateway("Prometheus' answer broke off") from None
    content = _decoded(body, response.headers)
    fields = _envelope(content) if whole else None
    if fields is None:
        shown = ascii(content[:_LOGGED].decode("utf-8", "replace"))
        _log.warning("%s: Prometheus answered %d: %s", request_id, response.status, shown)
        raise UpstreamRefusal(response.status)
    own = fields if restore is None else _restored(fields, restore)
    if own == fields:
        return UpstreamResponse(response.status, response.headers, response.content_length, body, None)
    body = json.dumps(own, separators=(",", ":")).encode("ascii")
    headers = [
        field for field in response.headers if field[0] not in {b"content-encoding", b"content-length"}
    ]
    headers.append((b"content-length", b"%d" % len(body)))
    return UpstreamResponse(response.status, headers, len(body), body, None)


def _restored(fields: dict[str, Any], restore: Callable[[str], str]) -> dict[str, Any]:
    """The error with the caller's messages."""
    own = fields | {"error": restore(fields["error"])}
    for kind in ("warnings", "infos"):
        if isinstance(fields.get(kind), list):
            own[kind] = [restore(note) if isinstance(note, str) else note for note in fields[kind]]
    return own


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


def _envelope(content: bytes) -> dict[str, Any] | None:
    """The error, if it has Prometheus' form (documentation, "HTTP API", "Format overview")."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if (
        isinstance(fields, dict)
        and fields.get("status") == "error"
        and isinstance(fields.get("errorType"), str)
        and isinstance(fields.get("error"), str)
    ):
        return fields
    return None
