"""Tokens: who Keystone says that their bearer is.

keystonemiddleware's ``auth_token`` judges every token; it is run as the WSGI middleware it is, in a thread,
around an application that does nothing but let requests through. What is new to it is asked of Keystone, what
was confirmed within ``cache_seconds`` is answered from memory.

Whether a token has access rules is known only once Keystone was asked. A flight is therefore shared by all
requests with the same token; those that get the answer "has access rules" for a request other than their
own ask again, for themselves.
"""

from __future__ import annotations

import io
import logging
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
from chrysaetos.identity.cache import CallerCache, ExpiringLru, digest, token_key
from chrysaetos.identity.caller import Caller
from chrysaetos.identity.credentials import is_token
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.settings import load_settings
from chrysaetos.identity.throttle import Budget, network

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Iterable

    from oslo_config.cfg import ConfigOpts

__all__ = ["KeystoneTokens", "Refusal", "TokenRefused"]

_LOG = logging.getLogger(__name__)
_QUOTING_LOGS = ("keystonemiddleware.auth_token", "keystoneauth.session")
_NO_CACHE = "chrysaetos.no_cache"
_RETRY_AFTER = 5
_MOST_GOOD = 10_000
"""Tokens that are remembered as good ones beyond the time that an answer about them counts."""


class Refusal(Enum):
    """Why a request's tokens were refused. The value is the message for the caller."""

    TOKEN = "Keystone does not accept the token: it is unknown, expired or revoked. Get a new one."  # noqa: S105
    SERVICE = "The token is good, but the one in X-Service-Token is not, or has no service role."
    RULES = "The access rules of the application credential do not allow this request."
    MALFORMED = "The token is not one that Keystone issues: send 1 to 8192 visible ASCII characters."


class TokenRefused(Unauthorized):
    """Keystone was asked about a request's tokens and refused.

    Args:
        refusal: why.
        challenges: values of ``WWW-Authenticate``.
    """

    def __init__(self, refusal: Refusal, challenges: tuple[str, ...]) -> None:
        super().__init__(refusal.value, challenges)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What Keystone said: a caller until a time, or a refusal; and to which request, if that matters."""

    caller: Caller | None
    until: float
    refusal: Refusal | None
    bound_to: tuple[str, str] | None


class _NoCache:
    """Takes the place of the middleware's own cache, which without memcached keeps everything for ever."""

    def get(self, key: str) -> None:
        """Nothing, whatever the key."""

    def set(self, key: str, value: bytes, time: int = 0) -> None:
        """Keeps nothing."""


class _HideAnswers(logging.Filter):
    """Keeps Keystone's own words out of the log: its 404 repeats the token that was asked about."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return not str(record.msg).startswith(("Identity response", "RESP BODY"))


class KeystoneTokens:
    """Validates tokens.

    Args:
        conf: the configuration with ``[keystone_authtoken]``; the middleware's options are registered in it.
        cache: where answers are kept.
        failures: how many tokens of an address may turn out to be invalid; without limit if None.
        threads: how many tokens are validated at once.
        waiting: how many validations may be under way or queued before more are turned away.
        clock: seconds since the epoch.

    Attributes:
        settings: the section, checked.
        cache: the cache, with its counters.
        failures: the budget of failures.
        challenges: values of ``WWW-Authenticate`` for whoever sent nothing that Keystone accepts.

    Raises:
        ConfigError: the section cannot be used.
    """

    def __init__(
        self,
        conf: ConfigOpts,
        *,
        cache: CallerCache[Refusal] | None = None,
        failures: Budget | None = None,
        threads: int = 16,
        waiting: int = 1000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = load_settings(conf)
        self.cache: CallerCache[Refusal] = CallerCache(clock=clock) if cache is None else cache
        self.challenges = (
            f'Keystone uri="{self.settings.www_authenticate_uri}"',
            'Basic realm="chrysaetos", charset="UTF-8"',
        )
        self.failures = Budget(per_second=0.0) if failures is None else failures
        self._clock = clock
        self._middleware = _middleware(conf, shared_cache=self.settings.shared_cache)
        self._flights: SingleFlight[_Verdict] = SingleFlight("keystone", threads=threads, waiting=waiting)
        # They are asked about again in any case, so that strangers at the same address cannot hinder them.
        self._good: ExpiringLru[bool] = ExpiringLru(_MOST_GOOD, clock)
        self._filter = _HideAnswers()
        for name in _QUOTING_LOGS:
            logging.getLogger(name).addFilter(self._filter)

    def cached(self, key: bytes) -> Caller | None:
        """The caller of a key from ``token_key``, if Keystone confirmed it a moment ago."""
        return self.cache.hit(key)

    @property
    def errors(self) -> int:
        """How often Keystone could not be asked."""
        return self._flights.failed

    async def identify(
        self, token: bytes, service_token: bytes | None, method: str, path: str, client: str = ""
    ) -> Caller:
        """The bearer of a token.

        Args:
            token: from ``X-Auth-Token`` or ``Authorization: Bearer``.
            service_token: from ``X-Service-Token``, if it was sent.
            method: the request's method, for access rules.
            path: the request's path, for access rules.
            client: address of the peer; "" if it is not to be held responsible for the token.

        Raises:
            TokenRefused: Keystone does not accept the token, or not for this request.
            TooManyRequests: the token is not known, and too many from this address were not valid.
            Unavailable: Keystone cannot be asked.
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
        payer = network(client)
        if self._good.get(key):
            payer = b""
        if key not in self._flights:
            self._flights.check_room()
            self.failures.spend(payer)
        verdict = await self._flights.run(key, ask, partial(self._keep, key, payer))
        if verdict.bound_to not in {None, (method, path)}:
            own_key = digest(token, service_token or b"", method.encode(), path.encode())
            verdict = await self._flights.run(own_key, ask)
        if verdict.caller is None:
            raise TokenRefused(verdict.refusal or Refusal.TOKEN, self.challenges)
        return verdict.caller

    def close(self) -> None:
        """Ends the threads. Waits for the calls to Keystone that are under way."""
        self._flights.close()
        for name in _QUOTING_LOGS:
            logging.getLogger(name).removeFilter(self._filter)

    def _keep(self, key: bytes, payer: bytes, flight: Future[_Verdict]) -> None:
        if flight.cancelled() or flight.exception() is not None:
            self.failures.refund(payer)
            return
        verdict = flight.result()
        if verdict.caller is not None:
            self._good.put(key, True, verdict.until)  # noqa: FBT003 - the entry is the value
            self.failures.refund(payer)
        elif verdict.refusal is Refusal.RULES:
            self.failures.refund(payer)
        else:
            self._good.drop(key)
        if verdict.bound_to is not None:
            return
        if verdict.caller is not None:
            self.cache.admit(key, verdict.caller, verdict.until)
        elif verdict.refusal is not None:
            self.cache.refuse(key, verdict.refusal)

    def _ask(self, token: bytes, service_token: bytes | None, method: str, path: str) -> _Verdict:
        """Runs the middleware. This happens in a thread."""
        environ = _environ(token, service_token, method, path)
        statuses: list[str] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:  # noqa: ARG001
            statuses.append(status[:3])

        try:
            list(self._middleware(environ, start_response))
        except Exception as error:
            # Its message may quote Keystone's answer, its class does not.
            _LOG.error("Keystone could not be asked: %s", type(error).__name__)
            raise _unavailable() from error
        match statuses:
            case ["204"]:
                return self._admitted(environ, method, path)
            case ["401"]:
                return _refused(environ, method, path)
        raise _unavailable()

    def _admitted(self, environ: dict[str, Any], method: str, path: str) -> _Verdict:
        auth = environ["keystone.token_auth"]
        caller = _caller(auth.user, auth.service)
        # With a service token Keystone lets a user token pass that has expired a while ago, so that long
        # operations can end. Then only the service token's end bounds the answer's life.
        until = caller.expires_at
        if auth.service is not None:
            service_until = auth.service.expires.timestamp()
            until = min(until, service_until) if until > self._clock() else service_until
        return _Verdict(caller, until, None, (method, path) if caller.restricted else None)


def _middleware(conf: ConfigOpts, *, shared_cache: bool) -> Callable[..., Iterable[bytes]]:
    """The middleware around an application that answers 204 to whatever it lets through."""
    overrides: dict[str, Any] = {
        "oslo_config_config": conf,
        # The gateway has no use for requests that nobody stands for.
        "delay_auth_decision": False,
        # Access rules are checked against the services in the token's catalog.
        "include_service_catalog": True,
    }
    if not shared_cache:
        overrides["cache"] = _NO_CACHE

    def admitted(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:  # noqa: ARG001
        start_response("204 No Content", [])
        return []

    try:
        middleware: Callable[..., Iterable[bytes]] = AuthProtocol(admitted, overrides)
    except (ClientException, ConfigurationError, ValueError) as error:
        raise ConfigError(f"[keystone_authtoken]: {error}") from error
    return middleware


def _environ(token: bytes, service_token: bytes | None, method: str, path: str) -> dict[str, Any]:
    """The request, as WSGI wants it (PEP 3333): the path decoded, then each of its bytes a character."""
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
    """Why the middleware answered 401; it says so only by what it left in the environ."""
    if environ.get("HTTP_X_IDENTITY_STATUS") == "Confirmed":
        return _Verdict(None, 0.0, Refusal.SERVICE, None)
    user = environ["keystone.token_auth"].user
    rules = None if user is None else user.application_credential_access_rules
    if rules is None or user.will_expire_soon(stale_duration=0):
        return _Verdict(None, 0.0, Refusal.TOKEN, None)
    return _Verdict(None, 0.0, Refusal.RULES, (method, path))


def _caller(user: Any, service: Any) -> Caller:
    """A caller from keystoneauth's ``AccessInfoV3``; the headers would join roles with commas."""
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


def _unavailable() -> Unavailable:
    return Unavailable("Keystone cannot be reached to check the credentials. Try again.", _RETRY_AFTER)
