"""Report the state of the service to systemd, with the protocol of sd_notify(3).

Without ``NOTIFY_SOCKET`` in the environment, nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Notifier"]

_LOG = logging.getLogger(__name__)


class Notifier:
    """Reports the state of the service to the service manager.

    Args:
        environment: the environment variables.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An address with @ is in Linux' abstract namespace, where a null byte stands for it.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """Report that requests are served, after a start or a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the configuration is being reloaded; ``ready`` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def around(self, reload: Callable[[], None]) -> Callable[[], None]:
        """Return a function that calls another one between ``reloading`` and ``ready``, even if it fails."""

        def told() -> None:
            self.reloading()
            try:
                reload()
            finally:
                self.ready()

        return told

    def stopping(self) -> None:
        """Report that the service is shutting down."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(state.encode(), self._address)
        except OSError as error:
            _LOG.warning("cannot report %s to systemd: %s", state.partition("\n")[0], error)
