"""Limit the CPU time that the gateway spends on each project's requests."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from chrysaetos.errors import TooManyRequests
from chrysaetos.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CpuBudget"]

_MAX_PROJECTS = 10_000


class CpuBudget:
    """CPU time of projects within a window. What was used is forgotten evenly in the course of the window.

    Args:
        seconds: CPU time that a project may use; 0 for no limit.
        window: seconds in which as much is forgotten.
        clock: seconds, monotonic.

    Attributes:
        refused: requests that were rejected.
    """

    def __init__(
        self, seconds: float = 2.0, window: float = 10.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._window = window
        self._clock = clock
        self._used: Lru[str, tuple[float, float]] = Lru(_MAX_PROJECTS)
        self.refused = 0

    def used(self, project: str) -> float:
        """Return the part of its budget that a project has used, from 0 to above 1."""
        kept = self._used.get(project)
        if kept is None or not self._seconds:
            return 0.0
        used, at = kept
        return max(0.0, used / self._seconds - (self._clock() - at) / self._window)

    def charge(self, project: str, seconds: float) -> None:
        """Record CPU time of a project."""
        if self._seconds:
            self._used.put(project, (self.used(project) * self._seconds + seconds, self._clock()))

    def check(self, project: str) -> None:
        """Check that a project has budget left.

        Raises:
            TooManyRequests: it has none.
        """
        used = self.used(project)
        if used >= 1:
            self.refused += 1
            raise TooManyRequests(
                f"the project's queries took more than {self._seconds:g} s of the gateway's CPU time in "
                f"{self._window:g} s: send shorter queries, or the same ones again, or retry later",
                retry_after=max(1, math.ceil((used - 1) * self._window)),
            )
