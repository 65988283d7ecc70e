"""Relay a response of the upstream to the client, with only some of its headers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chrysaetos.errors import BadGateway
from chrysaetos.gateway.proxy.capped_body import CappedBody
from chrysaetos.headers import derived
from chrysaetos.http.content_coding import accepts_encoding
from chrysaetos.http.upstream.response import UpstreamBroken

if TYPE_CHECKING:
    from chrysaetos.errors import Headers
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.http.upstream.response import UpstreamResponse
    from chrysaetos.tenancy.scope import Scope

__all__ = [
    "GZIP_HEADER",
    "NOT_FOR_CLIENTS",
    "accepted_encodings",
    "relay_response",
    "scope_header",
]

_LOG = logging.getLogger(__name__)

GZIP_HEADER = (b"accept-encoding", b"gzip")
_NO_STORE = (b"cache-control", b"no-store")
_SCOPE_HEADER = b"x-chrysaetos-scope"
"""Header with what the caller may see, ``all`` or ``restricted``. A response for a restricted caller looks as
if no other series existed, so a service that needs all series cannot tell from the response alone."""
_PASSED = frozenset({b"content-type", b"content-encoding", b"content-length"})
"""The headers of the upstream's response that the client gets."""
_RETRIED = frozenset({429, 503})
_RETRY_AFTER = (b"retry-after", b"1")
# These statuses concern the gateway's own credentials: the client would ask its user for other ones.
NOT_FOR_CLIENTS = frozenset({401, 403, 407})


def accepted_encodings(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the request header for gzip if the client accepts it."""
    return [GZIP_HEADER] if derived(request.headers, _accepts_gzip) else []


def _accepts_gzip(headers: Headers) -> bool:
    return accepts_encoding(headers, b"gzip")


def scope_header(scope: Scope) -> tuple[bytes, bytes]:
    """Return the header that states whether the scope restricts the response."""
    return _SCOPE_HEADER, b"all" if scope.unrestricted else b"restricted"


async def relay_response(
    response: UpstreamResponse, exchange: Exchange, limit: int, *headers: tuple[bytes, bytes]
) -> None:
    """Stream a response to the client, byte for byte.

    A response with the status 429 or 503 gets a ``Retry-After`` if it has none: Prometheus sends none.

    Args:
        response: the upstream's response. It is read to its end or aborted.
        exchange: the exchange of the request.
        limit: maximum bytes of the body, as sent; 0 for no limit.
        headers: headers to add to the upstream's.

    Raises:
        BadGateway: the status is a redirect or concerns the gateway's own credentials.
        ResponseTooLarge: the body is known to be longer than the limit; nothing has been sent.
    """
    status = response.status
    if 300 <= status < 400 or status in NOT_FOR_CLIENTS:
        response.abort()
        _LOG.error("Prometheus returned %d: check the gateway's URL and credentials for it", status)
        raise BadGateway(f"Prometheus returned {status}: the gateway's own access to it is misconfigured")
    pieces = CappedBody(response, limit) if limit else response
    try:
        passed = [header for header in response.headers if header[0] in _PASSED]
        if status in _RETRIED:
            given = (header for header in response.headers if header[0] == b"retry-after")
            passed.append(next(given, _RETRY_AFTER))
        exchange.begin(status, [*passed, _NO_STORE, *headers])
        whole = response.body
        if whole is not None:
            await exchange.write(whole)
            return
        async for piece in pieces:
            await exchange.write(piece, more=True)
        await exchange.write(b"")
    except UpstreamBroken as error:
        # The status has been sent. The server closes the connection after an incomplete response, so the
        # client notices that it was cut off.
        _LOG.error("a response of Prometheus was cut off: %s", error)
    finally:
        response.abort()
