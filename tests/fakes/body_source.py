"""A connection that a response's body comes from."""

from __future__ import annotations

__all__ = ["BodySource"]


class BodySource:
    """Records what a body calls on its connection.

    Attributes:
        aborted: whether the body was given up.
    """

    def __init__(self) -> None:
        self.aborted = False

    def resume(self) -> None:
        """Do nothing: no bytes wait."""

    def abort(self) -> None:
        """Record that the body was given up."""
        self.aborted = True
