"""Deterministic load: smooth functions of time with a known integral.

A gauge has the value of the wave, a counter has its integral. Therefore history and scraped values lie on the
same curve, whatever the step, and counters never fall.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

from chrysaetos.utc import DAY

__all__ = ["Wave", "wave"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A mean value with a daily swing and a shorter ripple.

    ``at(t) = mean + swing sin(2π t / day + phase) + ripple sin(2π t / period + phase)``

    Attributes:
        mean: the mean value.
        swing: amplitude of the daily oscillation.
        ripple: amplitude of the oscillation with ``period``. ``swing + ripple`` may not exceed ``mean``, so
            that the wave is never negative.
        period: period of the ripple, in seconds.
        phase: phase of both oscillations, in radians.
    """

    mean: float
    swing: float
    ripple: float
    period: float
    phase: float

    def __post_init__(self) -> None:
        if self.swing + self.ripple > self.mean:
            raise ValueError("a wave may not go below zero: swing + ripple > mean")

    def at(self, time: float) -> float:
        """Return the value at a time, in seconds since the epoch."""
        return (
            self.mean
            + self.swing * math.sin(math.tau * time / DAY + self.phase)
            + self.ripple * math.sin(math.tau * time / self.period + self.phase)
        )

    def total(self, start: float, time: float) -> float:
        """Return the integral from ``start`` to ``time``."""
        return self._antiderivative(time) - self._antiderivative(start)

    def _antiderivative(self, time: float) -> float:
        return (
            self.mean * time
            - self.swing * DAY / math.tau * math.cos(math.tau * time / DAY + self.phase)
            - self.ripple * self.period / math.tau * math.cos(math.tau * time / self.period + self.phase)
        )


def wave(name: str, mean: float, *, swing: float = 0.5, ripple: float = 0.2) -> Wave:
    """Return a wave whose phase and period depend on a name.

    Args:
        name: the name.
        mean: the mean value.
        swing: amplitude of the daily oscillation, as a fraction of the mean.
        ripple: amplitude of the shorter oscillation, as a fraction of the mean.
    """
    seed = zlib.crc32(name.encode())
    return Wave(
        mean=mean,
        swing=mean * swing,
        ripple=mean * ripple,
        period=600.0 + seed % 1801,
        phase=math.tau * (seed % 9973) / 9973,
    )
