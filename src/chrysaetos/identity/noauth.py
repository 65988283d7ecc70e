"""``auth_mode = noauth``, for trials: every caller is an administrator."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from chrysaetos.identity.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["NoAuthenticator"]

_LOG = logging.getLogger(__name__)

_WARN_SECONDS = 60.0

_EVERYBODY = Caller(user_id="noauth", user_name="noauth", project_id="noauth", roles=("admin",))


class NoAuthenticator:
    """Treats every caller as an administrator, and logs a warning about that repeatedly.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._warned = -_WARN_SECONDS

    def cached(self, headers: Sequence[tuple[bytes, bytes]]) -> Caller:  # noqa: ARG002  # as in Authenticator
        """Return the caller that stands for everybody."""
        now = self._clock()
        if now - self._warned >= _WARN_SECONDS:
            self._warned = now
            _LOG.warning(
                "auth_mode = noauth: callers are NOT authenticated, and anyone who can reach this gateway"
                " sees the metrics of ALL projects. Use it for trials only."
            )
        return _EVERYBODY

    async def identify(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        method: str,  # noqa: ARG002  # as in Authenticator
        path: str,  # noqa: ARG002  # as in Authenticator
        client: str = "",  # noqa: ARG002  # as in Authenticator
    ) -> Caller:
        """Return the caller that stands for everybody."""
        return self.cached(headers)

    async def probe(self) -> None:
        """Do nothing: there is no Keystone."""

    async def close(self) -> None:
        """Do nothing."""
