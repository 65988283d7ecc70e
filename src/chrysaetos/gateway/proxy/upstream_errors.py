"""Check errors of the upstream before restricted callers see them.

An error in Prometheus' format is about the query and is relayed. Only a position in the query is changed,
from that in the scoped text to that in the caller's text. Any other error may reveal internals: an engine's
error its address and the complete URL, a proxy's page the names of its servers, an error of a store its
address and labels, which may name other tenants. It is logged, and the client gets an error of the gateway
with the same status.

An engine that does not serve an endpoint answers with a page of text: 404 in most engines, 400 in
VictoriaMetrics. The client gets a 404 that names the engine.
"""

from __future__ import annotations

import json
import logging
import zlib
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import BadGateway, NotFound, UpstreamRefusal
from chrysaetos.gateway.proxy.store_warnings import is_of_a_store
from chrysaetos.http.upstream.response import BodyTooLong, UpstreamBroken, UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Restore = Callable[[list[str]], Awaitable[list[str]]]

__all__ = ["MAX_ERROR_BYTES", "check_served", "checked_error", "error_of"]

_LOG = logging.getLogger(__name__)

MAX_ERROR_BYTES = 256 * 1024
"""Maximum length of an error that is parsed. Prometheus' errors quote a part of a query or some labels."""

_LOGGED = 500
"""Maximum characters of an error in the log."""

_GZIP = 16 + zlib.MAX_WBITS


async def check_served(response: UpstreamResponse, engine: str, path: str) -> UpstreamResponse:
    """Return a response, unless it says that the engine does not serve the path.

    Args:
        response: a response of the upstream. It may be read to its end.
        engine: the engine's name, for the client.
        path: the path of the endpoint.

    Returns:
        The same response, complete if it was read.

    Raises:
        NotFound: the engine does not serve the path.
        BadGateway: the response was cut off.
        UpstreamRefusal: the response, which does not state its length, is too long for an error.
    """
    status = response.status
    if status not in {400, 404} or (response.content_length or 0) > MAX_ERROR_BYTES:
        return response
    try:
        body = await response.read(MAX_ERROR_BYTES)
    except BodyTooLong:
        raise UpstreamRefusal(status) from None
    except UpstreamBroken as error:
        _LOG.error("an error response of Prometheus was cut off: %s", error)
        raise BadGateway("the response of Prometheus was cut off") from None
    content = _decoded(body, response.headers)
    if _envelope(content) is None and (status == 404 or b"unsupported path requested: " in content):
        raise NotFound(
            f"{engine} does not serve {path}: it has no such endpoint, or the feature for it is disabled"
        )
    return UpstreamResponse(status, response.headers, response.content_length, body, None)


async def checked_error(
    response: UpstreamResponse, request_id: str, restore: Restore | None = None
) -> UpstreamResponse:
    """Return an error of the upstream that restricted callers may see.

    Args:
        response: a response with a status of 400 or more. It is read to its end or aborted.
        request_id: the id of the request, for the log.
        restore: rewrites messages for the caller; None to keep them.

    Returns:
        The same response, complete; uncompressed if its message was changed.

    Raises:
        UpstreamRefusal: the error is not in Prometheus' format, or is about a store.
        BadGateway: the response was cut off.
    """
    whole = True
    try:
        body = await response.read(MAX_ERROR_BYTES)
    except BodyTooLong as error:
        whole, body = False, error.beginning
    except UpstreamBroken as error:
        _LOG.error("%s: an error response of Prometheus was cut off: %s", request_id, error)
        raise BadGateway("the response of Prometheus was cut off") from None
    content = _decoded(body, response.headers)
    fields = _envelope(content) if whole else None
    if fields is None or any(map(is_of_a_store, _messages(fields))):
        shown = ascii(content[:_LOGGED].decode("utf-8", "replace"))
        _LOG.warning("%s: Prometheus returned %d: %s", request_id, response.status, shown)
        raise UpstreamRefusal(response.status)
    own = fields if restore is None else await _restored(fields, restore)
    if own == fields:
        return UpstreamResponse(response.status, response.headers, response.content_length, body, None)
    body = json.dumps(own, separators=(",", ":")).encode("ascii")
    headers = [
        field for field in response.headers if field[0] not in {b"content-encoding", b"content-length"}
    ]
    headers.append((b"content-length", b"%d" % len(body)))
    return UpstreamResponse(response.status, headers, len(body), body, None)


async def _restored(fields: dict[str, Any], restore: Restore) -> dict[str, Any]:
    """Return the error with the messages for the caller."""
    messages = _messages(fields)
    new = dict(zip(messages, await restore(messages), strict=True))
    own = fields | {"error": new[fields["error"]]}
    for kind in ("warnings", "infos"):
        if isinstance(fields.get(kind), list):
            own[kind] = [new[note] if isinstance(note, str) else note for note in fields[kind]]
    return own


def _messages(fields: dict[str, Any]) -> list[str]:
    """Return the error and the warnings with it."""
    notes = [fields[kind] for kind in ("warnings", "infos") if isinstance(fields.get(kind), list)]
    return [fields["error"], *(note for each in notes for note in each if isinstance(note, str))]


def error_of(response: UpstreamResponse) -> dict[str, Any]:
    """Return the fields of a complete error in Prometheus' format; empty if it is none."""
    return _envelope(_decoded(response.body or b"", response.headers)) or {}


def _decoded(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the beginning of the decoded body; empty if it cannot be decoded."""
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
    """Return the error if it is in Prometheus' format (documentation, "HTTP API", "Format overview")."""
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
