"""Which credential a request carries, and who is asked about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chrysaetos.errors import ApiError, Unauthorized
from chrysaetos.identity.basic import BasicCredentials
from chrysaetos.identity.cache import CallerCache, token_key
from chrysaetos.identity.credentials import Kind, pick
from chrysaetos.identity.keystone import KeystoneTokens, Refusal
from chrysaetos.identity.projects import DomainProjects
from chrysaetos.identity.throttle import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oslo_config.cfg import ConfigOpts

    from chrysaetos.identity.caller import Caller

__all__ = ["KeystoneAuthenticator", "create_authenticator"]

_FORMS = (
    "Send X-Auth-Token or Authorization: Bearer with a Keystone token, or Authorization: Basic with "
    "application-credential-id:secret or user@domain|project@domain:password."
)


class KeystoneAuthenticator:
    """Says who sent a request, by whatever credential it carries: the ``Authenticator`` of the gateway.

    Args:
        tokens: for ``X-Auth-Token`` and ``Authorization: Bearer``. It is closed with this.
        basic: for ``Authorization: Basic``. It is closed with this.
        projects: for tokens of domains. It is closed with this.

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
        """How often Keystone could not be asked."""
        return self._tokens.errors + self._basic.errors + self.projects.errors

    def cached(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller | None:
        """The caller of a request, if no one has to be asked for it.

        Args:
            headers: the request's headers, names in lower case.

        Returns:
            The caller, or None when ``identify`` has to be awaited, which also raises what is to be raised.
        """
        try:
            kind, secret, service_token = pick(headers)
        except ApiError:
            return None
        if kind is Kind.TOKEN:
            return self._tokens.cached(token_key(secret, service_token))
        if kind is Kind.BASIC:
            return self._basic.cached(secret, service_token)
        return None

    async def identify(
        self, headers: Sequence[tuple[bytes, bytes]], method: str, path: str, client: str = ""
    ) -> Caller:
        """The caller of a request.

        Args:
            headers: the request's headers, names in lower case.
            method: the request's method, for access rules.
            path: the endpoint's path as the catalog's clients see it, for access rules.
            client: address of the peer, for the number of failures.

        Raises:
            BadRequest: a credential is repeated, or there are two of them.
            Unauthorized: no credentials, or Keystone does not accept them.
            TooManyRequests: these credentials failed too often, or others from this address did.
            Unavailable: Keystone cannot be asked and no answer is fresh enough.
        """
        kind, secret, service_token = pick(headers)
        if kind is Kind.TOKEN:
            return await self._tokens.identify(secret, service_token, method, path, client)
        if kind is Kind.BASIC:
            return await self._basic.identify(secret, service_token, method, path, client)
        if kind is Kind.UNKNOWN:
            raise Unauthorized(
                f"The scheme of Authorization is not supported. {_FORMS}", self._tokens.challenges
            )
        raise Unauthorized(f"There are no credentials. {_FORMS}", self._tokens.challenges)

    async def probe(self) -> None:
        """Ask whether Keystone is there.

        Raises:
            Unavailable: it is not.
        """
        await self._basic.probe()

    def close(self) -> None:
        """Ends the threads. Waits for the calls to Keystone that are under way."""
        self.projects.close()
        self._basic.close()
        self._tokens.close()


def create_authenticator(
    conf: ConfigOpts,
    *,
    cache_seconds: float = 60.0,
    cache_size: int = 10_000,
    failures_burst: int = 100,
    failures_per_second: float = 10.0,
    domain_seconds: float = 60.0,
    max_domain_projects: int = 1000,
    threads: int = 16,
    clock: Callable[[], float] = time.time,
) -> KeystoneAuthenticator:
    """The authenticator for a configuration.

    Args:
        conf: the configuration with ``[keystone_authtoken]``.
        cache_seconds: how long Keystone's answer counts at most; a revoked token works that long.
        cache_size: how many answers are kept.
        failures_burst: how many credentials from one address may be wrong at once.
        failures_per_second: how many a second from then on; 0 for no limit.
        domain_seconds: how long the list of a domain's projects counts.
        max_domain_projects: how many it may have.
        threads: how many tokens are validated at once.
        clock: seconds since the epoch.

    Raises:
        ConfigError: the section cannot be used.
    """
    cache: CallerCache[Refusal] = CallerCache(
        seconds=cache_seconds, size=cache_size, negative_size=cache_size, clock=clock
    )
    failures = Budget(burst=failures_burst, per_second=failures_per_second, clock=clock)
    tokens = KeystoneTokens(conf, cache=cache, failures=failures, threads=threads, clock=clock)
    projects = DomainProjects(
        conf, tokens.settings, seconds=domain_seconds, most=max_domain_projects, clock=clock
    )
    return KeystoneAuthenticator(tokens, BasicCredentials(tokens, clock=clock), projects)
