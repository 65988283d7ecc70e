"""The memory that incomplete requests hold, of all connections together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.http.server.connection import ClientConnection

__all__ = ["UnfinishedBytes"]


class UnfinishedBytes:
    """Counts the bytes of incomplete requests, and limits them.

    Args:
        limit: the maximum number of bytes.

    Attributes:
        total: the current number.
    """

    __slots__ = ("_by_connection", "_limit", "total")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_connection: dict[ClientConnection, int] = {}  # the longest holding first
        self.total = 0

    @property
    def full(self) -> bool:
        """Whether there are more than allowed."""
        return self.total > self._limit

    def hold(self, connection: ClientConnection, count: int) -> None:
        """Set how many bytes a connection holds."""
        held = self._by_connection
        before = held.get(connection, 0)
        self.total += count - before
        if count:
            held[connection] = count
        elif before:
            del held[connection]

    def make_room(self) -> None:
        """Discard incomplete requests, the oldest first, until the rest holds no more than allowed.

        Those of clients that do not finish them are older than those of others.
        """
        while self.total > self._limit:
            next(iter(self._by_connection)).give_up()
