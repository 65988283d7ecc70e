"""Hide what engines tell about their stores from restricted callers.

An engine that reads other servers, such as Thanos Query, tells which of them failed: in an error, or in a
warning of a successful response, with the store's address and its labels. These may name other tenants.

Warnings are at the end of a response (Prometheus, ``web/api/v1/api.go``, ``Response``; Thanos,
``pkg/api/api.go``, ``response``). So the response is streamed up to them, and only they are decoded.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

from chrysaetos.errors import BadGateway
from chrysaetos.http.upstream.response import UpstreamBroken, UpstreamResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["IDENTITY_HEADER", "hide_stores", "is_of_a_store"]

_LOG = logging.getLogger(__name__)

IDENTITY_HEADER = (b"accept-encoding", b"identity")
"""The header for a response whose warnings can be read."""
_STORE = re.compile(
    r"\brpc error: |\bAddr: |\bdial (?:tcp|udp|unix)\b|\b(?:Get|Post) \"https?://|\bvmstorage\b"
)
"""What gRPC, Go's HTTP client, Thanos (``pkg/store/proxy.go``) and VictoriaMetrics write about a store."""
_OF_THE_QUERY = re.compile(
    r"PromQL (?:info|warning)\b.*|\d+ more (?:info|warning) annotations omitted"
    r"|results truncated due to limit|No StoreAPIs matched for this query",
    re.DOTALL,
)
"""Warnings about the query and its samples (Prometheus, ``util/annotations``; Thanos)."""
_OF_A_STORE = "a store has failed: data may be missing"
_KEY = b',"warnings":['
"""No string in JSON contains it: its quotes would be escaped."""
_MAX_BYTES = 1024 * 1024
"""Maximum length of warnings."""


def is_of_a_store(message: str) -> bool:
    """Return whether an error is about a store."""
    return _STORE.search(message) is not None


def hide_stores(response: UpstreamResponse, request_id: str) -> UpstreamResponse:
    """Return a successful response whose warnings do not tell about stores.

    Args:
        response: the response of a request with ``IDENTITY_HEADER``.
        request_id: the id of the request, for the log.

    Raises:
        BadGateway: the response is compressed, or its warnings are malformed.
    """
    headers = []
    for name, value in response.headers:
        if name == b"content-encoding" and value.lower() != b"identity":
            response.abort()
            raise BadGateway("the response of the metrics engine is compressed, which was not requested")
        if name != b"content-length":
            headers.append((name, value))
    whole = response.body
    if whole is None:
        return _Hidden(response, headers, request_id)
    start = whole.find(_KEY)
    if start < 0:
        return response
    try:
        body = whole[:start] + _own_end(whole[start:], request_id)
    except UpstreamBroken as error:
        raise BadGateway(f"the response of the metrics engine is invalid: {error}") from error
    headers.append((b"content-length", b"%d" % len(body)))
    return UpstreamResponse(response.status, headers, len(body), body, None)


class _Hidden(UpstreamResponse):
    """A response that is streamed, without warnings about stores."""

    __slots__ = ("_pieces", "_response")

    def __init__(
        self, response: UpstreamResponse, headers: list[tuple[bytes, bytes]], request_id: str
    ) -> None:
        super().__init__(response.status, headers, None, None, None)
        self._response = response
        self._pieces = _streamed(response, request_id)

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    def abort(self) -> None:
        """Close the connection, unless the body is already complete."""
        self._response.abort()


async def _streamed(response: UpstreamResponse, request_id: str) -> AsyncIterator[bytes]:
    held = b""
    found = False
    async for piece in response:
        held += piece
        if not found:
            start = held.find(_KEY)
            found = start >= 0
            # The key may have begun with the last bytes.
            passed = start if found else max(0, len(held) - len(_KEY) + 1)
            if passed:
                yield held[:passed]
                held = held[passed:]
        elif len(held) > _MAX_BYTES:
            raise UpstreamBroken(f"its warnings are longer than {_MAX_BYTES} bytes")
    yield _own_end(held, request_id) if found else held


def _own_end(end: bytes, request_id: str) -> bytes:
    """Return the end of a response, from the key of the warnings on, without warnings about stores.

    Raises:
        UpstreamBroken: it is malformed.
    """
    try:
        fields: dict[str, Any] = json.loads(b"{" + end[1:])
        own = fields | {
            kind: list(dict.fromkeys(map(_shown, fields[kind])))
            for kind in ("warnings", "infos")
            if kind in fields
        }
    except (ValueError, TypeError, RecursionError) as error:
        raise UpstreamBroken("its warnings are malformed") from error
    if own != fields:
        _LOG.warning("%s: the metrics engine warned: %s", request_id, ascii(fields)[:1000])
    return b"," + json.dumps(own, separators=(",", ":")).encode("ascii")[1:]


def _shown(note: str) -> str:
    return note if _OF_THE_QUERY.fullmatch(note) else _OF_A_STORE
