"""Deterministic load: smooth functions of time whose integral is known.

A gauge reads the wave, a counter reads its integral. So history written in one go and values scraped
live are the same curve, whatever the step, and no counter ever goes back.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

__all__ = ["Wave", "wave"]

_DAY = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A mean value with a daily swing and a shorter ripple.

    ``at(t) = mean + swing sin(2π t / day + phase) + ripple sin(2π t / period + phase)``

    Attributes:
        mean: the value around which it moves.
        swing: amplitude over the day.
        ripple: amplitude over `period`; `swing + ripple` may not exceed `mean`, so that it is never negative.
        period: seconds of one ripple.
        phase: where both begin, in radians.
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
        """The value at a time, in seconds since the epoch."""
        return (
            self.mean
            + self.swing * math.sin(math.tau * time / _DAY + self.phase)
            + self.ripple * math.sin(math.tau * time / self.period + self.phase)
        )

    def total(self, start: float, time: float) -> float:
        """The integral from `start` to `time`."""
        return self._antiderivative(time) - self._antiderivative(start)

    def _antiderivative(self, time: float) -> float:
        return (
            self.mean * time
            - self.swing * _DAY / math.tau * math.cos(math.tau * time / _DAY + self.phase)
            - self.ripple * self.period / math.tau * math.cos(math.tau * time / self.period + self.phase)
        )


def wave(name: str, mean: float, *, swing: float = 0.5, ripple: float = 0.2) -> Wave:
    """A wave whose phase and period follow from a name, so that no two look alike.

    Args:
        name: what it belongs to.
        mean: its mean value.
        swing: amplitude over the day as a part of the mean.
        ripple: the shorter amplitude as a part of the mean.
    """
    seed = zlib.crc32(name.encode())
    return Wave(
        mean=mean,
        swing=mean * swing,
        ripple=mean * ripple,
        period=600.0 + seed % 1801,
        phase=math.tau * (seed % 9973) / 9973,
    )
