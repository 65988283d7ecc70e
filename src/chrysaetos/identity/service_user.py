"""The gateway's own user in Keystone, ``[keystone_authtoken]``: whether it may validate tokens.

Only keystonemiddleware's log distinguishes an error of Keystone from a rejection of these credentials, so
they are checked here after an error. A user may always validate its own token, so a missing role only shows
with the token of a caller.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from keystoneauth1 import adapter, exceptions, loading

from chrysaetos.errors import ConfigError, Unavailable
from chrysaetos.identity.flights import SingleFlight
from chrysaetos.identity.settings import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from keystoneauth1.session import Session
    from oslo_config.cfg import ConfigOpts

    from chrysaetos.identity.settings import KeystoneSettings

__all__ = ["UNAVAILABLE", "ServiceUser", "ServiceUserRejected", "keystone_adapter"]

UNAVAILABLE = "Keystone cannot be reached, or does not validate tokens: try again"
"""The message if Keystone did not judge a token."""

_LOG = logging.getLogger(__name__)

_BAD_SECONDS = 5.0
_LOG_SECONDS = 60.0

_REJECTED = f"Keystone rejected the credentials in [{GROUP}]"
_FORBIDDEN = f"Keystone does not let the user in [{GROUP}] validate tokens: give it the role service"
_SECONDS = {None: 30.0, _FORBIDDEN: 60.0}
"""How long a result is cached. The user's own token does not show whether a missing role was granted."""


class ServiceUserRejected(Unavailable):
    """Keystone does not accept the gateway's own user. The message names the section, and no secret."""


class ServiceUser:
    """Checks the user that validates tokens.

    Args:
        conf: the configuration.
        settings: its section ``[keystone_authtoken]``.
        clock: seconds since the epoch.
    """

    def __init__(
        self, conf: ConfigOpts, settings: KeystoneSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._auth_url = settings.auth_url
        self._session = settings.session()
        self._keystone = keystone_adapter(conf, self._session)
        # Its own thread: a check must not wait for log-ins, of which everybody may cause many.
        self._flights: SingleFlight[str | None] = SingleFlight("service", threads=1, waiting=10)
        self._clock = clock
        self._cause: str | None = None
        self._until = 0.0
        self._logged = -_LOG_SECONDS

    @property
    def errors(self) -> int:
        """The number of failed calls to Keystone."""
        return self._flights.failed

    async def check(self) -> None:
        """Check that Keystone can be reached and accepts the user, which is cached for some seconds.

        Raises:
            ServiceUserRejected: it does not, or it did not let the user validate the token of a caller.
            Unavailable: Keystone cannot be reached, or does not validate tokens.
        """
        await self._flights.run(b"reach", self._reach)
        if self._clock() >= self._until:
            await self._flights.run(b"explain", self.explain)
        if self._cause is not None:
            raise ServiceUserRejected(self._cause, 5)

    def explain(self, token: bytes | None = None) -> str | None:
        """Return why Keystone does not let the user validate a token, None if it does. Blocks.

        Args:
            token: the token of a caller; None for the user's own.

        Raises:
            Unavailable: Keystone cannot be reached, or does not validate tokens.
        """
        if token is not None and self._cause is not None and self._clock() < self._until:
            return self._cause
        try:
            own = self._keystone.get_token()
            subject = own if token is None else token.decode("ascii")
            self._keystone.get(
                "/auth/tokens",
                headers={"X-Subject-Token": subject, "Accept": "application/json"},
            )
        except exceptions.Unauthorized:
            self._set(_REJECTED)
        except exceptions.Forbidden:
            self._set(_FORBIDDEN)
        except exceptions.NotFound:
            return None  # Keystone does not know the token
        except exceptions.ClientException as error:
            raise Unavailable(UNAVAILABLE, 5) from error
        else:
            self._set(None)
        return self._cause

    def on_validation(self) -> None:
        """Record that Keystone has validated or rejected the token of a caller: the user is accepted."""
        if self._cause is not None:
            self._set(None)

    def _reach(self) -> None:
        """Send one request without credentials. Runs in a thread."""
        try:
            answer = self._session.get(self._auth_url, authenticated=False, raise_exc=False)
        except exceptions.ClientException as error:
            raise Unavailable("Keystone cannot be reached", 5) from error
        if answer.status_code >= 500:
            raise Unavailable(f"Keystone answers {answer.status_code}", 5)

    def _set(self, cause: str | None) -> None:
        now = self._clock()
        self._cause = cause
        self._until = now + _SECONDS.get(cause, _BAD_SECONDS)
        if cause is not None and now - self._logged >= _LOG_SECONDS:
            self._logged = now
            _LOG.error("%s: callers whose credentials are not cached get 503", cause)

    def close(self) -> None:
        """Stop the thread."""
        self._flights.close()
        self._session.session.close()


def keystone_adapter(conf: ConfigOpts, session: Session) -> Any:
    """Return an adapter for the Keystone that keystonemiddleware uses, with the service's credentials.

    Raises:
        ConfigError: the section is invalid.
    """
    section = conf[GROUP]
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
    except exceptions.ClientException as error:
        raise ConfigError(f"[{GROUP}]: {error}") from error
    return adapter.Adapter(
        session,
        auth=auth,
        service_type="identity",
        interface=section.interface,
        region_name=section.region_name,
        connect_retries=section.http_request_max_retries,
        # Keystone answers so for a moment after it has been started, while its threads load its policy.
        status_code_retries=1,
        retriable_status_codes=[403, 500],
        min_version="3.0",
        max_version="3.latest",
    )
