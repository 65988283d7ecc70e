"""The update loop of a source, which survives every error."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from chrysaetos.usage.health import Health

__all__ = ["keep_updating"]

_LOG = logging.getLogger(__name__)
_MIN_RETRY_SECONDS = 5.0
"""The delay before the first retry; it doubles after each failure, up to the update interval."""


def keep_updating(
    source: str, update: Callable[[], None], health: Health, stop: Event, interval: float
) -> None:
    """Update until ``stop`` is set, and sooner after an error.

    The first success, and that after an error, are logged.

    Args:
        source: the name of the source.
        update: updates the source.
        health: the source's state; the loop records problems and failures.
        stop: ends the loop.
        interval: seconds between updates.
    """
    delay = _MIN_RETRY_SECONDS
    succeeded = False
    while not stop.is_set():
        try:
            update()
        except UsageError as error:
            _LOG.error("%s; retrying in %.0f s", error, min(delay, interval))
            health.problem = error.reason
        except Exception:  # noqa: BLE001  # the loop must survive every error
            _LOG.exception("unexpected error; retrying in %.0f s", min(delay, interval))
            health.problem = "unexpected"
        else:
            health.problem = None
        if health.problem is None:
            if not succeeded:
                _LOG.info(
                    "connected: %s were read in %.1f s, with %d API calls in all",
                    source.replace("_", " "),
                    health.duration,
                    health.calls,
                )
            wait, delay, succeeded = interval, _MIN_RETRY_SECONDS, True
        else:
            succeeded = False
            health.failures[health.problem] += 1
            wait, delay = min(delay, interval), delay * 2
        stop.wait(wait)
