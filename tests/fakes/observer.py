"""An observer of the application that records exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.gateway.app.exchange import Exchange

__all__ = ["Watcher"]


class Watcher:
    """Records the exchanges that have ended."""

    def __init__(self) -> None:
        self.seen: list[Exchange] = []

    def on_end(self, exchange: Exchange) -> None:
        self.seen.append(exchange)
