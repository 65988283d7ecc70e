"""Basic credentials, for clients that cannot renew a token. They are exchanged for a token once.

The user part and the password (RFC 7617) have one of these forms:

    application-credential-id : secret
    user@domain|project@domain : password

Names are not percent-decoded, the last ``@`` separates name and domain, and the password may contain colons.

A token is cached until shortly before it expires, under an HMAC of the credentials with a random key of this
process. It is then treated as if the client had sent it, so its expiry, revocation and access rules apply.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import math
import re
import secrets
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions

from chrysaetos.errors import Unauthorized, Unavailable
from chrysaetos.identity.breaker import Breaker
from chrysaetos.identity.cache import ENTRY_BYTES, MAX_CACHED_BYTES, ExpiringLru, token_key
from chrysaetos.identity.credentials import MAX_CREDENTIAL
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.keystone import Refusal, TokenRefused
from chrysaetos.identity.login import Login
from chrysaetos.identity.throttle import Attempts, Throttle
from chrysaetos.lru import size_of

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from chrysaetos.identity.caller import Caller
    from chrysaetos.identity.keystone import KeystoneTokens
    from chrysaetos.identity.throttle import Attempt

__all__ = ["BasicCredentials", "parse_login"]

_LOG = logging.getLogger(__name__)
_EARLY = 60.0
"""Seconds before its expiry at which a token is replaced."""
_NEGATIVE_SECONDS = 10.0
_APPLICATION_CREDENTIAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HELP = (
    "Basic credentials are, in UTF-8, application-credential-id:secret or user@domain|project@domain:password"
)

# Keystone responds with 400 to a body outside its schema, for example a name that is too long.
_WRONG = (
    exceptions.BadRequest,
    exceptions.Unauthorized,
    exceptions.Forbidden,
    exceptions.MissingAuthMethods,
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A cached token of Basic credentials; ``key`` is its ``token_key``."""

    token: bytes = field(repr=False)
    key: bytes
    renew_at: float
    expires_at: float


def parse_login(value: bytes) -> Login:
    """Parse Basic credentials.

    Args:
        value: the text after the scheme: base64 of user part, colon and password.

    Raises:
        ValueError: the credentials have neither of the two forms.
    """
    if len(value) > MAX_CREDENTIAL:
        raise ValueError(_HELP)
    decoded = base64.b64decode(value, validate=True)
    if base64.b64encode(decoded) != value:
        raise ValueError(_HELP)
    text = decoded.decode("utf-8")
    subject, colon, secret = text.partition(":")
    if not colon or not secret or _CONTROL.search(text):
        raise ValueError(_HELP)
    if "|" not in subject:
        if not _APPLICATION_CREDENTIAL.fullmatch(subject):
            raise ValueError(_HELP)
        return Login(credential_id=subject, secret=secret)
    parts = [part.rpartition("@") for part in subject.split("|")]
    if len(parts) != 2 or not all(name and domain for name, _, domain in parts):
        raise ValueError(_HELP)
    user, project = ((name, domain) for name, _, domain in parts)
    return Login(user=user, secret=secret, project=project)


class BasicCredentials:
    """Exchanges Basic credentials for tokens, and identifies callers by them.

    Wrong credentials are refused for a few seconds without a call to Keystone. After some failures of one
    user from one address (for IPv6, one /64), further attempts from there are refused for a while, so
    nobody can lock out the owner elsewhere. Credentials that were valid before are exempt from the latter.

    Args:
        tokens: validates the tokens. Its budget of failures also limits credentials.
        size: number of cached credentials, and of cached wrong ones.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        tokens: KeystoneTokens,
        *,
        size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settings = tokens.settings
        self._tokens = tokens
        self.attempts = Attempts(Throttle(clock=clock), tokens.failures)
        self._clock = clock
        self._auth_url = settings.auth_url
        self._session = settings.session()
        # Its own breaker and threads: Keystone takes long to check a password, and tokens must not wait.
        self.breaker = Breaker(tokens.breaker.wait_seconds)
        self._flights: SingleFlight[_Kept | None] = SingleFlight(
            "basic", threads=4, waiting=200, breaker=self.breaker
        )
        self._kept: ExpiringLru[_Kept] = ExpiringLru(
            size,
            clock,
            weigh=lambda kept: ENTRY_BYTES + size_of(kept, kept.token, kept.key),
            max_weight=MAX_CACHED_BYTES,
        )
        self._wrong: ExpiringLru[bool] = ExpiringLru(size, clock)
        self._secret = secrets.token_bytes(32)

    def cached(self, value: bytes, service_token: bytes | None) -> Caller | None:
        """Return the caller if the credentials' token and its validation are cached.

        Args:
            value: the text after the scheme in ``Authorization``.
            service_token: the value of ``X-Service-Token``, if any.
        """
        kept = self._kept.get(self._hash(value))
        if kept is None or self._clock() >= kept.renew_at:
            return None
        return self._tokens.cache.hit(
            kept.key if service_token is None else token_key(kept.token, service_token)
        )

    @property
    def errors(self) -> int:
        """The number of failed calls to Keystone."""
        return self._flights.failed

    async def identify(
        self, value: bytes, service_token: bytes | None, method: str, path: str, client: str = ""
    ) -> Caller:
        """Return the owner of the credentials.

        Args:
            value: the text after the scheme in ``Authorization``.
            service_token: the value of ``X-Service-Token``, if any.
            method: the request's method, for access rules.
            path: the request's path, for access rules.
            client: address of the peer.

        Raises:
            Unauthorized: Keystone rejected the credentials, or they are malformed.
            TooManyRequests: this user, or others, failed too often from this address.
            Unavailable: Keystone cannot be reached.
        """
        deadline = asyncio.get_running_loop().time() + self.breaker.wait_seconds
        key = self._hash(value)
        known = self._kept.get(key)
        kept = known
        if kept is None or self._clock() >= kept.renew_at:
            kept = await self._renew(key, value, known, client, deadline)
        try:
            return await self._tokens.identify(kept.token, service_token, method, path, deadline=deadline)
        except TokenRefused as error:
            if error.refusal is not Refusal.TOKEN or kept is not known:
                raise
        # The token was revoked. Another request may have replaced it in the meantime.
        current = self._kept.get(key)
        if current is None or current is kept:
            current = await self._exchange(key, value, client, deadline, known=current is not None)
        return await self._tokens.identify(current.token, service_token, method, path, deadline=deadline)

    def close(self) -> None:
        """Stop the threads, and wait for no exchange."""
        self._flights.close()
        self._session.session.close()

    def _hash(self, value: bytes) -> bytes:
        return hmac.digest(self._secret, value, "sha256")

    async def _renew(
        self, key: bytes, value: bytes, known: _Kept | None, client: str, deadline: float
    ) -> _Kept:
        """Return a new token, or the one that is about to expire if Keystone is down."""
        if known is not None:
            deadline -= self.breaker.wait_seconds / 2  # the rest is for the token that is about to expire
        try:
            return await self._exchange(key, value, client, deadline, known=known is not None)
        except Unavailable:
            if known is None or self._clock() >= known.expires_at:
                raise
            return known

    async def _exchange(
        self, key: bytes, value: bytes, client: str, deadline: float, *, known: bool
    ) -> _Kept:
        """Get a token for credentials until loop time ``deadline``; ``known``: they were valid before."""
        if self._wrong.get(key):
            raise self._unauthorized()
        try:
            login = parse_login(value)
        except ValueError as error:
            raise Unauthorized(_HELP, self._tokens.challenges) from error
        attempt: Attempt | None = None
        if not known and key not in self._flights:
            self._flights.check_room()
            attempt = self.attempts.begin(login.subject, client)
        on_done = partial(self._settle, key, attempt)
        kept = await self._flights.run(key, partial(self._login, login), on_done, deadline=deadline)
        if kept is None:
            raise self._unauthorized()
        return kept

    def _settle(self, key: bytes, attempt: Attempt | None, flight: Future[_Kept | None]) -> None:
        """Cache the outcome, and refund the attempt unless it failed."""
        judged = not flight.cancelled() and flight.exception() is None
        kept = flight.result() if judged else None
        if kept is not None:
            self._kept.put(key, kept, math.inf)
        elif judged:
            self._kept.drop(key)
            self._wrong.put(key, True, self._clock() + _NEGATIVE_SECONDS)  # noqa: FBT003  # the entry is the value
            return
        if attempt is not None:
            attempt.refund()

    def _login(self, login: Login) -> _Kept | None:
        """Request a token, None if the credentials are wrong. Runs in a thread."""
        try:
            access: Any = login.plugin(self._auth_url).get_access(self._session)
            token: bytes = access.auth_token.encode("ascii")
            expires_at: float = access.expires.timestamp()
        except _WRONG:
            return None
        except Exception as error:
            # Keystone responds with 404 for an unknown application credential, and with 401 for an unknown
            # user.
            if isinstance(error, exceptions.NotFound) and login.user is None:
                return None
            _LOG.error("Keystone gave no token for Basic credentials: %s", type(error).__name__)
            raise Unavailable("Keystone cannot be reached to check the credentials: try again", 5) from error
        # Otherwise a token with a lifetime below the margin would be replaced at every request.
        early = min(_EARLY, (expires_at - self._clock()) / 2)
        return _Kept(token, token_key(token), expires_at - early, expires_at)

    def _unauthorized(self) -> Unauthorized:
        return Unauthorized("Keystone does not accept these credentials", self._tokens.challenges)
