"""The handler for portals: sends the requests that the gate admits to the upstream, and no others.

The gate decides; this module enforces the limits, sends requests to the upstream, relays the responses and
records details. It is one handler among others in the gateway, and the only one of ``chrysaetos federate``.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chrysaetos.errors import BadRequest, GatewayTimeout, TooManyRequests, Unauthorized
from chrysaetos.gateway.proxy.admission import PROJECT_HEADER
from chrysaetos.gateway.proxy.limits import account
from chrysaetos.gateway.proxy.relay import NOT_FOR_CLIENTS, accepted_encodings, relay_response
from chrysaetos.gateway.proxy.upstream_errors import checked_error
from chrysaetos.headers import only_value
from chrysaetos.identity.caller import Caller
from chrysaetos.identity.throttle import TokenBucket, network
from chrysaetos.portals.gate import (
    PATH,
    authenticate,
    check_path,
    combined_bytes,
    read_selectors,
    restrict,
)
from chrysaetos.portals.tokens import PREFIX
from chrysaetos.tenancy.parameters import Text
from chrysaetos.tenancy.paths import find_path

if TYPE_CHECKING:
    from chrysaetos.gateway.app.exchange import Exchange
    from chrysaetos.gateway.app.request import Request
    from chrysaetos.gateway.proxy.offload import Offload
    from chrysaetos.http.upstream.replicas import Pool
    from chrysaetos.portals.tokens import Token, TokenFile

__all__ = ["GateLimits", "Portal", "PortalHandler"]

_LOG = logging.getLogger(__name__)

_IN_PLACE_BYTES = 2 * 1024
"""Maximum size of what is restricted in the event loop, which takes about 2 ms at most."""
_PORTALS = re.compile(rb"(?i:[\t ]*bearer +)" + PREFIX.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal(Caller):
    """A portal, identified by its token and unknown to Keystone."""

    @classmethod
    def of(cls, token: Token) -> Portal:
        """Return the portal that a token belongs to."""
        return cls(user_id=f"portal:{token.name}", user_name=token.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """Limits on portals.

    Attributes:
        timeout: seconds to wait for the upstream's next byte.
        total_seconds: time for a whole request, including sending its response.
        response_bytes: limit on the body of a response, as sent; 0 for no limit.
        requests: concurrent requests of a token's name.
        requests_per_second: rate of requests of a token's name; 0 for no limit.
        failures: burst of unknown tokens from an address.
        failures_per_second: rate of unknown tokens after the burst; 0 for no limit.
    """

    timeout: float = 30.0
    total_seconds: float = 60.0
    response_bytes: int = 256 * 1024 * 1024
    requests: int = 4
    requests_per_second: float = 5.0
    failures: int = 20
    failures_per_second: float = 1.0


class PortalHandler:
    """Handles the requests of portals.

    Args:
        tokens: the tokens of portals.
        upstream: the connections to Prometheus.
        limits: the limits on portals.
        offload: restricts long requests, and limits the CPU time of each portal.
    """

    def __init__(self, tokens: TokenFile, upstream: Pool, limits: GateLimits, *, offload: Offload) -> None:
        self._offload = offload
        self._tokens = tokens
        self._upstream = upstream
        self._limits = limits
        self._under_way: dict[str, int] = {}
        # Bursts of twice the rate are allowed: a portal's scrapes are not spread evenly.
        self._rate = TokenBucket(
            burst=max(2, int(2 * limits.requests_per_second)), per_second=limits.requests_per_second
        )
        self._failures = TokenBucket(burst=limits.failures, per_second=limits.failures_per_second)

    @staticmethod
    def takes(request: Request) -> bool:
        """Return whether a request has the credentials of a portal.

        All such requests are handled here: another handler would send the token to Keystone.
        """
        shown = only_value(request.headers, b"authorization")
        return shown is not None and _PORTALS.match(shown) is not None

    async def handle(self, request: Request, exchange: Exchange) -> None:
        """Handle a request and record its details on the exchange.

        Raises:
            ApiError: the error to respond with; nothing has been sent.
        """
        if request.path == PATH:
            exchange.endpoint = find_path(PATH).endpoint
        check_path(request.method, request.path)
        token = self._token(request, exchange.client)
        exchange.caller = portal = Portal.of(token)
        _check_no_body(request)
        if request.header(PROJECT_HEADER) is not None:
            raise BadRequest("a portal's request cannot be restricted to a project: its token decides")
        self._count(token.name)
        selectors = read_selectors(request.query)
        exchange.texts = tuple(Text(text, "") for text in selectors)
        self._enter(token.name)
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                outgoing = await self._offload.run(
                    account(portal),
                    restrict,
                    selectors,
                    token.policy,
                    in_place=combined_bytes(selectors, token.policy) <= _IN_PLACE_BYTES,
                )
                exchange.texts = outgoing.texts
                await self._fetch(outgoing.target, request, exchange)
        except TimeoutError:
            if not exchange.status:
                raise GatewayTimeout("the response took too long") from None
            # The incomplete response makes the server close the connection.
            _LOG.error("%s: aborted a response that took too long", exchange.request_id)
        finally:
            self._leave(token.name)

    async def _fetch(self, target: bytes, request: Request, exchange: Exchange) -> None:
        asked = time.perf_counter()
        try:
            response = await self._upstream.request(
                "GET",
                target,
                headers=accepted_encodings(request),
                timeout=self._limits.timeout,
                idempotent=True,
            )
        finally:
            exchange.upstream_seconds = time.perf_counter() - asked
        if response.status >= 400 and response.status not in NOT_FOR_CLIENTS:
            response = await checked_error(response, exchange.request_id)
        await relay_response(response, exchange, self._limits.response_bytes)

    def _token(self, request: Request, client: str) -> Token:
        try:
            return authenticate(self._tokens, request.headers)
        except Unauthorized:
            self._failures.take(network(client))
            raise

    def _count(self, name: str) -> None:
        try:
            self._rate.take(name.encode("ascii"))
        except TooManyRequests as error:
            raise TooManyRequests(
                f"a portal may send {self._limits.requests_per_second:g} requests a second", error.retry_after
            ) from None

    def _enter(self, name: str) -> None:
        running = self._under_way.get(name, 0)
        if running >= self._limits.requests:
            raise TooManyRequests(f"a portal may have {self._limits.requests} concurrent requests")
        self._under_way[name] = running + 1

    def _leave(self, name: str) -> None:
        left = self._under_way.pop(name) - 1
        if left:
            self._under_way[name] = left


def _check_no_body(request: Request) -> None:
    """Check that a request has no body, which could contain further parameters.

    Raises:
        BadRequest: the request has a body.
    """
    length = request.header(b"content-length")
    if request.header(b"transfer-encoding") is not None or (length is not None and length.strip(b"0")):
        raise BadRequest("the request must not have a body: send parameters in the URL")
