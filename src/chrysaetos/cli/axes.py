"""The axes of a plot in a terminal: their scale and their labels."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

__all__ = ["Axis", "short", "time_labels", "value_labels"]

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_HOUR, _DAY = 3600, 86400
_TICKS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 5 * _DAY, 10 * _DAY, 30 * _DAY, 100 * _DAY, 365 * _DAY),
)
"""Seconds between labels, all of them round for a reader."""
_GAP = 6


class Axis(NamedTuple):
    """The values from one end of an axis to the other; a place on it is a number from 0 to 1."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value is."""
        # Halved: the distance of two floats may be no float.
        return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)

    def value(self, place: float) -> float:
        """What is at a place."""
        return self.low * (1 - place) + self.high * place


def short(value: float) -> str:
    """A value in four digits, from 10,000 on with a prefix such as M: 12.34M."""
    scale, prefix = _scale(abs(value))
    return f"{value / scale:.4g}{prefix}"


def _scale(magnitude: float) -> tuple[float, str]:
    if not 1e4 <= magnitude < 1e21:
        return 1.0, ""
    return next((scale, prefix) for scale, prefix in _PREFIXES if magnitude >= scale)


def value_labels(values: Axis, rows: int) -> list[str]:
    """A label for each row, the highest value first; most are empty, those of both ends are not.

    They have as many decimals as tell them apart.
    """
    every = max(1, (rows - 1) // 4)
    labelled = {row for row in range(0, rows, every) if rows - 1 - row >= every} | {rows - 1}
    between = values.value(every / (rows - 1)) - values.low
    scale, prefix = _scale(max(abs(values.low), abs(values.high)))
    decimals = _decimals(between / scale)
    if decimals > 4:
        scale, prefix, decimals = 1.0, "", _decimals(between)

    def label(row: int) -> str:
        value = values.value(1 - row / (rows - 1))
        # Very big, very small, or one float beside the other: nothing tells more.
        written = f"{value:.4g}" if decimals > 9 or abs(value) >= 1e21 else f"{value / scale:.{decimals}f}"
        return written + prefix

    return [label(row) if row in labelled else "" for row in range(rows)]


def _decimals(between: float) -> int:
    """How many decimals tell two values apart."""
    return max(0, 1 - math.floor(math.log10(between))) if 0 < between < math.inf else 0


def time_labels(times: Axis, columns: int) -> list[tuple[int, str]]:
    """The columns with a label and the labels: round times in UTC, with room between."""
    span = times.high - times.low
    form = "%Y-%m-%d"
    for limit, finer in ((60 * _DAY, "%m-%d %H:%M"), (_DAY, "%H:%M"), (600, "%H:%M:%S")):
        if span <= limit:
            form = finer
    width = len(_written(times.low, form))
    seconds_a_column = span / max(columns - 1, 1)
    least = seconds_a_column * (width + _GAP)
    tick = next((tick for tick in _TICKS if tick >= least), math.ceil(least / _TICKS[-1]) * _TICKS[-1])
    labels: list[tuple[int, str]] = []
    moment = math.ceil(times.low / tick) * tick
    while (column := round((moment - times.low) / seconds_a_column)) + width <= columns:
        labels.append((column, _written(moment, form)))
        moment += tick
    return labels


def _written(moment: float, form: str) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(form)
