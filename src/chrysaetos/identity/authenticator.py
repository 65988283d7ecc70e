"""Authenticate requests by the kind of their credentials."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, Unauthorized
from chrysaetos.headers import derived
from chrysaetos.identity.basic import BasicCredentials
from chrysaetos.identity.breaker import Breaker
from chrysaetos.identity.cache import CallerCache, token_key
from chrysaetos.identity.credentials import BASIC, TOKEN, UNKNOWN, Kind, pick
from chrysaetos.identity.keystone import KeystoneTokens, Refusal
from chrysaetos.identity.projects import DomainProjects
from chrysaetos.identity.throttle import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keystoneauth1.access import AccessInfoV3
    from oslo_config.cfg import ConfigOpts

    from chrysaetos.errors import Headers
    from chrysaetos.identity.caller import Caller
    from chrysaetos.identity.settings import KeystoneSettings
    from chrysaetos.identity.throttle import Attempts

__all__ = ["KeystoneAuthenticator", "create_authenticator"]

_FORMS = (
    "send X-Auth-Token or Authorization: Bearer with a Keystone token, or Authorization: Basic with "
    "application-credential-id:secret or user@domain|project@domain:password"
)

_CACHE_SIZE = 50_000
"""Number of cached validations, and of cached Basic credentials. If more are in use, nearly each request
calls Keystone."""


class KeystoneAuthenticator:
    """The gateway's ``Authenticator``: identifies callers by tokens and Basic credentials.

    Args:
        tokens: validates ``X-Auth-Token`` and ``Authorization: Bearer``. Closed together with this.
        basic: validates ``Authorization: Basic``. Closed together with this.
        projects: lists the projects of domains. Closed together with this.

    Attributes:
        cache: the cache of tokens and Basic credentials, with its counters.
        projects: the projects of domains.
    """

    def __init__(self, tokens: KeystoneTokens, basic: BasicCredentials, projects: DomainProjects) -> None:
        self._tokens = tokens
        self._basic = basic
        self.cache = tokens.cache
        self.projects = projects

    @property
    def keystone_errors(self) -> int:
        """The number of failed calls to Keystone."""
        parts = (self._tokens, self._tokens.service_user, self._basic, self.projects)
        return sum(part.errors for part in parts)

    @property
    def keystone_blocked(self) -> bool:
        """Whether Keystone is not asked because it does not answer."""
        return any(part.breaker.open for part in (self._tokens, self._basic, self.projects))

    @property
    def settings(self) -> KeystoneSettings:
        """How to connect to Keystone."""
        return self._tokens.settings

    @property
    def wait_seconds(self) -> float:
        """How long a request waits for Keystone."""
        return self._tokens.breaker.wait_seconds

    @property
    def attempts(self) -> Attempts:
        """Limits failed log-ins."""
        return self._basic.attempts

    def remember(self, access: AccessInfoV3) -> None:
        """Cache the validation of a token that Keystone has just issued."""
        self._tokens.remember(access)

    def forget(self, token: bytes) -> None:
        """Reject a token without asking Keystone, for a short time, because it is being revoked."""
        self._tokens.forget(token)

    def is_forgotten(self, token: bytes) -> bool:
        """Return whether ``forget`` was called for a token a short time ago."""
        return self._tokens.is_forgotten(token)

    def forget_shared(self, token: str) -> None:
        """Remove a token that was revoked from the cache that gateways share, if there is one. Blocks."""
        self._tokens.forget_shared(token)

    def cached(self, headers: Headers) -> Caller | None:
        """Return the caller of a request if its credentials are cached.

        Args:
            headers: the request's headers, names in lower case.

        Returns:
            The caller, or None if ``identify`` must be awaited, which also raises the errors.
        """
        kind, secret, service_token = derived(headers, _pick_key)
        if kind is TOKEN:
            return self.cache.hit(secret)
        if kind is BASIC:
            return self._basic.cached(secret, service_token)
        return None

    async def identify(
        self, headers: Sequence[tuple[bytes, bytes]], method: str, path: str, client: str = ""
    ) -> Caller:
        """Return the caller of a request.

        Args:
            headers: the request's headers, names in lower case.
            method: the request's method, for access rules.
            path: the endpoint's path as clients of the catalog see it, for access rules.
            client: address of the peer, for the limit of failures.

        Raises:
            BadRequest: the request has more than one credential.
            Unauthorized: there are no credentials, or Keystone rejected them.
            TooManyRequests: these credentials, or others from this address, failed too often.
            Unavailable: Keystone cannot be reached and nothing is cached.
        """
        kind, secret, service_token = pick(headers)
        if kind is TOKEN:
            return await self._tokens.identify(secret, service_token, method, path, client)
        if kind is BASIC:
            return await self._basic.identify(secret, service_token, method, path, client)
        if kind is UNKNOWN:
            raise Unauthorized(
                f"the scheme of Authorization is not supported: {_FORMS}", self._tokens.challenges
            )
        raise Unauthorized(f"there are no credentials: {_FORMS}", self._tokens.challenges)

    async def probe(self) -> None:
        """Check that Keystone can be reached and accepts the gateway's own user.

        Raises:
            ServiceUserRejected: it does not accept the user.
            Unavailable: Keystone cannot be reached.
        """
        await self._tokens.service_user.check()

    async def close(self) -> None:
        """Stop the threads, and wait for no call to Keystone."""
        self.projects.close()
        self._basic.close()
        self._tokens.close()


def _pick_key(headers: Headers) -> tuple[Kind, bytes, bytes | None]:
    """Return the credential of a request as ``pick`` does, with a token's key for the token.

    There is none if the headers have two.
    """
    try:
        kind, secret, service_token = pick(headers)
    except ApiError:
        return Kind.NONE, b"", None
    return kind, token_key(secret, service_token) if kind is TOKEN else secret, service_token


def create_authenticator(
    conf: ConfigOpts,
    *,
    cache_seconds: float = 60.0,
    failures_burst: int = 100,
    failures_per_second: float = 10.0,
    domain_seconds: float = 60.0,
    max_domain_projects: int = 1000,
    wait_seconds: float = 5.0,
    clock: Callable[[], float] = time.time,
) -> KeystoneAuthenticator:
    """Return the authenticator for a configuration.

    Args:
        conf: the configuration with ``[keystone_authtoken]``.
        cache_seconds: maximum time that a validation is cached; a revoked token keeps working that long.
        failures_burst: number of invalid credentials that one address may send at once.
        failures_per_second: number of invalid credentials per second after that; 0 for no limit.
        domain_seconds: time that the list of a domain's projects is cached.
        max_domain_projects: maximum number of projects of a domain.
        wait_seconds: how long a request waits for Keystone.
        clock: seconds since the epoch.

    Raises:
        ConfigError: the section is invalid.
    """
    cache: CallerCache[Refusal] = CallerCache(seconds=cache_seconds, size=_CACHE_SIZE, clock=clock)
    failures = TokenBucket(burst=failures_burst, per_second=failures_per_second, clock=clock)
    tokens = KeystoneTokens(conf, cache=cache, failures=failures, breaker=Breaker(wait_seconds), clock=clock)
    projects = DomainProjects(
        conf,
        tokens.settings,
        seconds=domain_seconds,
        most=max_domain_projects,
        breaker=Breaker(wait_seconds),
        clock=clock,
    )
    return KeystoneAuthenticator(tokens, BasicCredentials(tokens, size=_CACHE_SIZE, clock=clock), projects)
