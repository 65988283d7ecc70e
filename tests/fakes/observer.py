"""An observer of the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.gateway.asgi.exchange import Exchange

__all__ = ["Watcher"]


class Watcher:
    """An observer that keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def begun(self, exchange: Exchange) -> None:
        """Nothing is known yet."""

    def ended(self, exchange: Exchange) -> None:
        self.seen.append(exchange)
