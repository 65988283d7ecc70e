"""The axes of a plot in a terminal: their scale and their labels."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from chrysaetos.utc import DAY

__all__ = ["Axis", "format_short", "time_labels", "value_labels"]

_PREFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_HOUR = 3600
_TICKS = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(_HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(DAY, 2 * DAY, 5 * DAY, 10 * DAY, 30 * DAY, 100 * DAY, 365 * DAY),
)
"""Possible intervals between labels, in seconds."""
_MIN_LABEL_GAP = 6


class Axis(NamedTuple):
    """The range of values of an axis; a position on it is a number from 0 to 1."""

    low: float
    high: float

    def position(self, value: float) -> float:
        """Return the position of a value."""
        # Halved: the difference of two floats may overflow. Half of the smallest float is 0.
        span = self.high / 2 - self.low / 2
        return (value / 2 - self.low / 2) / span if span else 0.0

    def value(self, position: float) -> float:
        """Return the value at a position."""
        return self.low * (1 - position) + self.high * position


def format_short(value: float) -> str:
    """Return a value with four digits and, from 10,000 on, a prefix such as M: 12.34M."""
    scale, prefix = _scale(abs(value))
    return f"{value / scale:.4g}{prefix}"


def _scale(magnitude: float) -> tuple[float, str]:
    if not 1e4 <= magnitude < 1e21:
        return 1.0, ""
    return next((scale, prefix) for scale, prefix in _PREFIXES if magnitude >= scale)


def value_labels(values: Axis, rows: int) -> list[str]:
    """Return a label for each row, the highest value first. Most are empty; the first and last are not.

    The labels have enough decimals to differ from each other.

    Args:
        values: the axis.
        rows: the number of rows.
    """
    interval = max(1, (rows - 1) // 4)
    labelled = {row for row in range(0, rows, interval) if rows - 1 - row >= interval} | {rows - 1}
    between = values.value(interval / (rows - 1)) - values.low
    scale, prefix = _scale(max(abs(values.low), abs(values.high)))
    decimals = _decimals(between / scale)
    if decimals > 4:
        scale, prefix, decimals = 1.0, "", _decimals(between)

    def label(row: int) -> str:
        value = values.value(1 - row / (rows - 1))
        # Very large, very small, or adjacent floats: more digits would not help.
        digits = f"{value:.4g}" if decimals > 9 or abs(value) >= 1e21 else f"{value / scale:.{decimals}f}"
        return digits + prefix

    return [label(row) if row in labelled else "" for row in range(rows)]


def _decimals(between: float) -> int:
    """Return the number of decimals that two values with this difference need to differ."""
    return max(0, 1 - math.floor(math.log10(between))) if 0 < between < math.inf else 0


def time_labels(times: Axis, columns: int) -> list[tuple[int, str]]:
    """Return the columns that have a label, with their labels: round times in UTC, with gaps between them.

    Args:
        times: the axis.
        columns: the number of columns.
    """
    span = times.high - times.low
    form = "%Y-%m-%d"
    for limit, finer in ((60 * DAY, "%m-%d %H:%M"), (DAY, "%H:%M"), (600, "%H:%M:%S")):
        if span <= limit:
            form = finer
    width = len(_format_time(times.low, form))
    seconds_per_column = span / max(columns - 1, 1)
    min_interval = seconds_per_column * (width + _MIN_LABEL_GAP)
    tick = next(
        (tick for tick in _TICKS if tick >= min_interval), math.ceil(min_interval / _TICKS[-1]) * _TICKS[-1]
    )
    labels: list[tuple[int, str]] = []
    time = math.ceil(times.low / tick) * tick
    while (column := round((time - times.low) / seconds_per_column)) + width <= columns:
        labels.append((column, _format_time(time, form)))
        time += tick
    return labels


def _format_time(seconds: float, form: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
