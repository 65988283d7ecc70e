"""The upstream's answer on its way to the client: as it is, but for most of its headers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chrysaetos.errors import BadGateway
from chrysaetos.gateway.proxy.limits import Capped
from chrysaetos.http.upstream.response import UpstreamBroken

if TYPE_CHECKING:
    from chrysaetos.gateway.asgi.request import Request
    from chrysaetos.http.types import Send
    from chrysaetos.http.upstream.response import UpstreamResponse
    from chrysaetos.tenancy.scope import Scope

__all__ = [
    "GZIP_HEADER",
    "NOT_FOR_CLIENTS",
    "NO_STORE",
    "SCOPE_HEADER",
    "accepted_encodings",
    "pass_on",
    "scope_header",
]

_log = logging.getLogger(__name__)

GZIP_HEADER = (b"accept-encoding", b"gzip")
NO_STORE = (b"cache-control", b"no-store")
SCOPE_HEADER = b"x-chrysaetos-scope"
"""Says how much the caller may see, ``all`` or ``restricted``. An answer for a restricted caller looks
exactly as if there were no other series, so a service that needs all of them cannot tell by the answer
itself."""
_PASSED = frozenset({b"content-type", b"content-encoding", b"content-length"})
"""The headers of the upstream's answer that the client gets."""
# What the upstream says of the gateway itself is not for the client: it would follow it, or ask its user for
# other credentials.
NOT_FOR_CLIENTS = frozenset({401, 403, 407})


def accepted_encodings(request: Request) -> list[tuple[bytes, bytes]]:
    """The header that tells the upstream that the client takes gzip, if it does."""
    return [GZIP_HEADER] if b"gzip" in (request.header(b"accept-encoding") or b"") else []


def scope_header(scope: Scope) -> tuple[bytes, bytes]:
    """Return the header that says whether the scope restricts the answer."""
    return SCOPE_HEADER, b"all" if scope.unrestricted else b"restricted"


async def pass_on(response: UpstreamResponse, send: Send, limit: int, *headers: tuple[bytes, bytes]) -> None:
    """Stream an answer to the client, byte for byte.

    Args:
        response: the upstream's. It is read to its end or given up.
        send: ASGI's.
        limit: bytes of the longest answer, as it is sent; 0 for none.
        headers: headers to add to the upstream's.

    Raises:
        BadGateway: the answer is not for clients.
        AnswerTooLong: it is known to be longer than the limit; nothing has been sent.
    """
    status = response.status
    if 300 <= status < 400 or status in NOT_FOR_CLIENTS:
        response.abort()
        _log.error("Prometheus answered %d: check how it is asked, and its credentials", status)
        raise BadGateway(f"Prometheus answered {status}: the gateway's own access to it needs a look")
    pieces = Capped(response, limit) if limit else response
    try:
        passed = [header for header in response.headers if header[0] in _PASSED]
        await send(
            {"type": "http.response.start", "status": status, "headers": [*passed, NO_STORE, *headers]}
        )
        whole = response.body
        if whole is not None:
            await send({"type": "http.response.body", "body": whole})
            return
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})
    except UpstreamBroken as error:
        # The status has gone out. Leaving the answer unfinished makes the server close the connection, and so
        # the client sees a broken transfer and no short answer.
        _log.error("an answer of Prometheus broke off: %s", error)
    finally:
        response.abort()
