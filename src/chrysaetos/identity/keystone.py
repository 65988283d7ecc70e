"""Validate tokens with keystonemiddleware.

Its WSGI middleware ``auth_token`` runs in a thread around an empty application and validates each token.
Validations are cached for ``cache_seconds``.

Only the validation shows whether a token has access rules. So all requests with the same token share one
call, and if the token has access rules, each request that did not start the call repeats it for itself.
"""

from __future__ import annotations

import asyncio
import io
import logging
import math
import sys
import time
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from keystoneauth1.exceptions import ClientException
from keystonemiddleware.auth_token import AuthProtocol, ConfigurationError

from chrysaetos.errors import ConfigError, Unauthorized, Unavailable
from chrysaetos.identity.breaker import Breaker
from chrysaetos.identity.cache import CallerCache, ExpiringLru, digest, token_key
from chrysaetos.identity.caller import Caller
from chrysaetos.identity.credentials import is_token
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.service_user import UNAVAILABLE, ServiceUser
from chrysaetos.identity.settings import load_settings
from chrysaetos.identity.throttle import TokenBucket, network

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable

    from oslo_config.cfg import ConfigOpts

__all__ = ["KeystoneTokens", "Refusal", "TokenRefused"]

_LOG = logging.getLogger(__name__)
_QUOTING_LOGS = ("keystonemiddleware.auth_token", "keystoneauth.session")
_NO_CACHE = "chrysaetos.no_cache"
_RETRY_AFTER = 5
_MAX_VALIDATED = 50_000
"""Number of tokens that are remembered as valid after their validation expired."""
_MAX_WAITING = 1000
"""Maximum number of running and queued validations."""


class Refusal(Enum):
    """Why tokens were rejected. The value is the message for the caller."""

    TOKEN = "Keystone does not accept the token, which is unknown, expired or revoked: get a new one"  # noqa: S105  # a message
    SERVICE = "the token is valid, but the one in X-Service-Token is not, or has no service role"
    RULES = "the access rules of the application credential do not allow this request"
    MALFORMED = "the token is not one that Keystone issues: send 1 to 8192 visible ASCII characters"


class TokenRefused(Unauthorized):
    """Keystone rejected the tokens of a request.

    Args:
        refusal: the reason.
        challenges: values of ``WWW-Authenticate``.
    """

    def __init__(self, refusal: Refusal, challenges: tuple[str, ...]) -> None:
        super().__init__(refusal.value, challenges)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The result of a validation, and the request that it is for if that matters."""

    caller: Caller | None
    until: float
    refusal: Refusal | None
    bound_to: tuple[str, str] | None


class _NoCache:
    """Replaces the middleware's own cache, which grows without limit if there is no memcached."""

    def get(self, key: str) -> None:
        """Return None for every key."""

    def set(self, key: str, value: bytes, time: int = 0) -> None:
        """Do not store anything."""


class _HideAnswers(logging.Filter):
    """Keeps Keystone's messages out of the log: its 404 repeats the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return not str(record.msg).startswith(("Identity response", "RESP BODY"))


class KeystoneTokens:
    """Validates tokens.

    Args:
        conf: the configuration with ``[keystone_authtoken]``; the middleware's options are registered in it.
        cache: the cache of validations.
        failures: limits the invalid tokens of an address; None for no limit.
        breaker: limits the wait for Keystone; with the defaults if None.
        clock: seconds since the epoch.

    Attributes:
        settings: the validated section.
        cache: the cache, with its counters.
        failures: the budget of failures.
        breaker: limits the wait for Keystone.
        service_user: checks the user that validates tokens.
        challenges: values of ``WWW-Authenticate`` for requests without valid credentials.

    Raises:
        ConfigError: the section is invalid.
    """

    def __init__(
        self,
        conf: ConfigOpts,
        *,
        cache: CallerCache[Refusal] | None = None,
        failures: TokenBucket | None = None,
        breaker: Breaker | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = load_settings(conf)
        self.cache: CallerCache[Refusal] = CallerCache(clock=clock) if cache is None else cache
        self.challenges = (
            f'Keystone uri="{self.settings.www_authenticate_uri}"',
            'Basic realm="chrysaetos", charset="UTF-8"',
        )
        self.failures = TokenBucket(per_second=0.0) if failures is None else failures
        self.breaker = Breaker() if breaker is None else breaker
        self._clock = clock
        self.service_user = ServiceUser(conf, self.settings, clock=clock)
        self._middleware = _middleware(conf, shared_cache=self.settings.shared_cache)
        self._flights: SingleFlight[_Verdict] = SingleFlight(
            "keystone", threads=16, waiting=_MAX_WAITING, breaker=self.breaker
        )
        # Known tokens are always validated again, so others at the same address cannot block them.
        self._validated: ExpiringLru[bool] = ExpiringLru(_MAX_VALIDATED, clock)
        self._filter = _HideAnswers()
        for name in _QUOTING_LOGS:
            logging.getLogger(name).addFilter(self._filter)

    @property
    def errors(self) -> int:
        """The number of failed calls to Keystone."""
        return self._flights.failed

    async def identify(
        self,
        token: bytes,
        service_token: bytes | None,
        method: str,
        path: str,
        client: str = "",
        *,
        deadline: float = math.inf,
    ) -> Caller:
        """Return the owner of a token.

        Args:
            token: the value of ``X-Auth-Token`` or ``Authorization: Bearer``.
            service_token: the value of ``X-Service-Token``, if any.
            method: the request's method, for access rules.
            path: the request's path, for access rules.
            client: address of the peer; "" to not count a failure against it.
            deadline: loop time until which to wait for Keystone, if that is earlier than the breaker's limit.

        Raises:
            TokenRefused: Keystone rejected the token, or its use for this request.
            TooManyRequests: the token is not cached, and too many tokens from this address were invalid.
            Unavailable: Keystone cannot be reached.
        """
        key = token_key(token, service_token)
        caller = self.cache.hit(key)
        if caller is not None:
            return caller
        if not is_token(token) or (service_token is not None and not is_token(service_token)):
            raise TokenRefused(Refusal.MALFORMED, self.challenges)
        refusal = self.cache.refused(key)
        if refusal is not None:
            raise TokenRefused(refusal, self.challenges)

        ask = partial(self._ask, token, service_token, method, path)
        address = network(client)
        if self._validated.get(key):
            address = b""
        if key not in self._flights:
            self._flights.check_room()
            self.failures.take(address)
        deadline = min(deadline, asyncio.get_running_loop().time() + self.breaker.wait_seconds)
        verdict = await self._flights.run(key, ask, partial(self._keep, key, address), deadline=deadline)
        if verdict.bound_to not in {None, (method, path)}:
            own_key = digest(token, service_token or b"", method.encode(), path.encode())
            verdict = await self._flights.run(own_key, ask, deadline=deadline)
        if verdict.caller is None:
            raise TokenRefused(verdict.refusal or Refusal.TOKEN, self.challenges)
        return verdict.caller

    def remember(self, access: Any) -> None:
        """Cache the validation of a token that Keystone has just issued.

        Args:
            access: keystoneauth's ``AccessInfoV3``.
        """
        caller = _caller(access, None)
        self.cache.admit(token_key(access.auth_token.encode("ascii")), caller, caller.expires_at)

    def forget(self, token: bytes) -> None:
        """Reject a token without asking Keystone, for a short time, because it is being revoked."""
        self.cache.refuse(token_key(token), Refusal.TOKEN)

    def is_forgotten(self, token: bytes) -> bool:
        """Return whether ``forget`` was called for a token a short time ago."""
        return self.cache.is_refused(token_key(token))

    def forget_shared(self, token: str) -> None:
        """Remove a token that was revoked from memcached, if gateways share validations there. Blocks."""
        if not self.settings.shared_cache:
            return
        cache = self._middleware._token_cache  # noqa: SLF001  # there is no public way in
        try:
            cache.initialize({})
            cache.set(token, None)  # treated as missing
        except Exception as error:  # noqa: BLE001  # memcached's drivers have no common one
            _LOG.error("a revoked token may still be in memcached: %s", type(error).__name__)

    def close(self) -> None:
        """Stop the threads, and wait for no call to Keystone."""
        self._flights.close()
        self.service_user.close()
        for name in _QUOTING_LOGS:
            logging.getLogger(name).removeFilter(self._filter)

    def _keep(self, key: bytes, address: bytes, flight: Future[_Verdict]) -> None:
        if flight.cancelled() or flight.exception() is not None:
            self.failures.refund(address)
            return
        verdict = flight.result()
        if verdict.caller is not None:
            self._validated.put(key, True, verdict.until)  # noqa: FBT003  # the entry is the value
            self.failures.refund(address)
        elif verdict.refusal is Refusal.RULES:
            self.failures.refund(address)
        else:
            self._validated.drop(key)
        if verdict.bound_to is not None:
            return
        if verdict.caller is not None:
            self.cache.admit(key, verdict.caller, verdict.until)
        elif verdict.refusal is not None:
            self.cache.refuse(key, verdict.refusal)

    def _ask(self, token: bytes, service_token: bytes | None, method: str, path: str) -> _Verdict:
        """Validate the tokens, a second time if Keystone answers after an error. Runs in a thread.

        A Keystone that has just been started answers some requests with 403 or 500 while its threads load its
        policy, and a connection may be closed just as a request is sent.
        """
        verdict = self._validate(token, service_token, method, path)
        if verdict is not None:
            return verdict
        if self.service_user.explain(token) is not None:
            raise Unavailable(
                "Keystone does not accept the gateway's own credentials, so yours cannot be checked: "
                "tell the operator of the gateway",
                _RETRY_AFTER,
            )
        verdict = self._validate(token, service_token, method, path)
        if verdict is None:
            raise Unavailable(UNAVAILABLE, _RETRY_AFTER)
        return verdict

    def _validate(self, token: bytes, service_token: bytes | None, method: str, path: str) -> _Verdict | None:
        """Run the middleware. Return None if Keystone did not judge the tokens."""
        environ = _environ(token, service_token, method, path)
        statuses: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG001  # as WSGI
            statuses.append(status[:3])

        try:
            list(self._middleware(environ, start_response))
        except Exception as error:  # noqa: BLE001  # also those of memcached's driver
            # The message may quote Keystone's response, the class does not.
            _LOG.error("a request to Keystone or memcached failed: %s", type(error).__name__)
            return None
        match statuses:
            case ["204"]:
                self.service_user.on_validation()
                return self._admitted(environ, method, path)
            case ["401"]:
                self.service_user.on_validation()
                return _refused(environ, method, path)
        return None

    def _admitted(self, environ: dict[str, Any], method: str, path: str) -> _Verdict:
        auth = environ["keystone.token_auth"]
        caller = _caller(auth.user, auth.service)
        # With a service token Keystone accepts a user token that expired recently, so that long operations
        # can finish. Then only the service token's expiry limits the validation.
        until = caller.expires_at
        if auth.service is not None:
            service_until = auth.service.expires.timestamp()
            until = min(until, service_until) if until > self._clock() else service_until
        return _Verdict(caller, until, None, (method, path) if caller.restricted else None)


def _middleware(conf: ConfigOpts, *, shared_cache: bool) -> Any:
    """Return the middleware around an application that responds with 204."""
    overrides: dict[str, Any] = {
        "oslo_config_config": conf,
        # The gateway requires an authenticated caller.
        "delay_auth_decision": False,
        # Access rules refer to the services in the token's catalog.
        "include_service_catalog": True,
    }
    if not shared_cache:
        overrides["cache"] = _NO_CACHE

    def admitted(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:  # noqa: ARG001  # as WSGI
        start_response("204 No Content", [])
        return []

    try:
        return AuthProtocol(admitted, overrides)
    except (ClientException, ConfigurationError, OSError, ValueError) as error:  # OSError: from ssl
        raise ConfigError(f"[keystone_authtoken]: {error}") from error


def _environ(token: bytes, service_token: bytes | None, method: str, path: str) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333): the path is decoded, one character per byte."""
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, errors="replace").encode("utf-8", "replace").decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_X_AUTH_TOKEN": token.decode("ascii"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        _NO_CACHE: _NoCache(),
    }
    if service_token is not None:
        environ["HTTP_X_SERVICE_TOKEN"] = service_token.decode("ascii")
    return environ


def _refused(environ: dict[str, Any], method: str, path: str) -> _Verdict:
    """Return why the middleware responded with 401, which only the environment shows."""
    if environ.get("HTTP_X_IDENTITY_STATUS") == "Confirmed":
        return _Verdict(None, 0.0, Refusal.SERVICE, None)
    user = environ["keystone.token_auth"].user
    rules = None if user is None else user.application_credential_access_rules
    if rules is None or user.will_expire_soon(stale_duration=0):
        return _Verdict(None, 0.0, Refusal.TOKEN, None)
    return _Verdict(None, 0.0, Refusal.RULES, (method, path))


def _caller(user: Any, service: Any) -> Caller:
    """Return a caller from keystoneauth's ``AccessInfoV3``; the headers would join roles with commas."""
    system = user.system or {}
    return Caller(
        user_id=user.user_id,
        user_name=user.username,
        user_domain_id=user.user_domain_id,
        project_id=user.project_id,
        project_name=user.project_name,
        project_domain_id=user.project_domain_id,
        domain_id=user.domain_id,
        system_scope="all" if system.get("all") else None,
        roles=tuple(user.role_names),
        service_roles=() if service is None else tuple(service.role_names),
        expires_at=user.expires.timestamp(),
        restricted=user.application_credential_access_rules is not None,
    )
