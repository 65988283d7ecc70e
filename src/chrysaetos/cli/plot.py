"""Draw series over time in a terminal, with braille dots or plain ASCII.

A braille character has eight dots (Unicode 15, block 2800 to 28FF), but lines within a character differ only
by colour. So without colours, several lines are drawn with one mark per character.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from chrysaetos.cli.axes import Axis, format_short, time_labels, value_labels
from chrysaetos.cli.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Line", "Style", "draw", "value_axis"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of a braille character for each row and column of its dots."""
_EMPTY_CELL = (-1, 0)
"""A cell without a line."""
_MARKS = "*+xo#@%&=~"
_COLOURS = (36, 33, 35, 32, 34, 31, 96, 93, 95, 92)
_MAX_LEGEND = len(_MARKS)


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name in the legend and its points (seconds, value) in order of time.

    Values that are not finite are gaps.
    """

    name: str
    points: Sequence[tuple[float, float]]

    def figures(self, separator: str) -> str:
        """Return the lowest, the highest and the last value that is finite."""
        values = [value for _, value in self.points if math.isfinite(value)]
        if not values:
            return "no points"
        low, high, last = map(format_short, (min(values), max(values), values[-1]))
        return separator.join((f"min {low}", f"max {high}", f"last {last}"))


@dataclass(frozen=True, slots=True)
class Style:
    """Size and characters of a plot.

    Attributes:
        width, height: the size in characters, without the legend.
        unicode: whether to use characters other than ASCII.
        colour: whether to use ANSI colours.
    """

    width: int = 80
    height: int = 20
    unicode: bool = True
    colour: bool = False


def draw(lines: Sequence[Line], start: float, end: float, step: float, style: Style) -> str:
    """Draw lines over a range of time.

    Args:
        lines: the lines to draw.
        start: the start of the time axis, in seconds since the epoch.
        end: the end of the time axis.
        step: seconds between points; points that are further apart are not connected.
        style: size and characters.

    Returns:
        The plot, the axes and the legend, without a final newline.
    """
    values, times = value_axis(lines), Axis(start, max(end, start + 1))
    if values is None:
        return "no points to draw"
    rows = max(style.height - 3, 4)
    labels = value_labels(values, rows)
    margin = max(map(len, labels))
    columns = max(style.width - margin - 2, 10)
    braille = style.unicode and (style.colour or len(lines) == 1)
    cells = _cells(lines, step, (times, values), (columns, rows), braille=braille)
    edge = "┤" if style.unicode else "|"
    text = []
    for y, label in enumerate(labels):
        row = [cells.get((x, y), _EMPTY_CELL) for x in range(columns)]
        text.append(f"{label:>{margin}} {edge}{_render_row(row, style, braille=braille)}".rstrip())
    text += _time_axis(times, columns, margin, unicode=style.unicode)
    text += _legend(lines, style, braille=braille)
    return "\n".join(text)


def value_axis(lines: Sequence[Line]) -> Axis | None:
    """Return the axis that has all finite values of the lines; None if there are none."""
    finite = [value for line in lines for _, value in line.points if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    if low == high:
        room = abs(low) / 10 or 1
        low, high = max(low - room, -sys.float_info.max), min(high + room, sys.float_info.max)
    return Axis(low, high)


def _cells(
    lines: Sequence[Line], step: float, axes: tuple[Axis, Axis], size: tuple[int, int], *, braille: bool
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return, by column and row, the number of the first line in the cell, and the cell's dots."""
    across, down = (2, 4) if braille else (1, 1)
    times, values = axes
    last_x, last_y = size[0] * across - 1, size[1] * down - 1
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for number, line in enumerate(lines):
        for x, y in _dots(line, step, times, values, (last_x, last_y)):
            cell = (x // across, y // down)
            owner, dots = cells.get(cell, (number, 0))
            cells[cell] = (owner, dots | _DOTS[y % down][x % across])
    return cells


def _dots(
    line: Line, step: float, times: Axis, values: Axis, last: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield the dots of a line: its points, and the connections between consecutive points."""
    placed = [
        (time, round(times.position(time) * last[0]), round((1 - values.position(value)) * last[1]))
        for time, value in line.points
        if math.isfinite(value) and times.low <= time <= times.high
    ]
    yield from ((x, y) for _, x, y in placed)
    for (t0, x0, y0), (t1, x1, y1) in pairwise(placed):
        if t1 - t0 <= step * 1.5:
            steps = max(abs(x1 - x0), abs(y1 - y0))
            for part in range(1, steps):
                yield round(x0 + (x1 - x0) * part / steps), round(y0 + (y1 - y0) * part / steps)


def _render_row(row: list[tuple[int, int]], style: Style, *, braille: bool) -> str:
    """Return a row of cells as text, with one colour sequence for adjacent cells of a line."""
    text = ""
    for owner, run in groupby(row, key=itemgetter(0)):
        dots = [dots for _, dots in run]
        if owner < 0:
            text += " " * len(dots)
        elif braille:
            text += _coloured("".join(chr(0x2800 + bits) for bits in dots), owner, style)
        else:
            text += _coloured(_MARKS[owner % len(_MARKS)] * len(dots), owner, style)
    return text


def _coloured(text: str, owner: int, style: Style) -> str:
    return f"\x1b[{_COLOURS[owner % len(_COLOURS)]}m{text}\x1b[0m" if style.colour else text


def _time_axis(times: Axis, columns: int, margin: int, *, unicode: bool) -> list[str]:
    """Return the time axis with its ticks, their labels, and the range."""
    corner, dash, tick = "└─┬" if unicode else "+-+"
    axis, labels = [dash] * columns, ""
    for column, label in time_labels(times, columns):
        axis[column] = tick
        labels = labels.ljust(column) + label
    return [
        f"{'':{margin}} {corner}{''.join(axis)}",
        f"{'':{margin}}  {labels}",
        f"{'':{margin}}  {rfc3339(times.low)} to {rfc3339(times.high)}",
    ]


def _legend(lines: Sequence[Line], style: Style, *, braille: bool) -> list[str]:
    text = []
    for number, line in enumerate(lines[:_MAX_LEGEND]):
        mark = _coloured("⣿" if braille else _MARKS[number], number, style)
        figures = line.figures("  ")
        name, room = line.name, max(style.width - len(figures) - 4, 10)
        if len(name) > room:
            cut = "…" if style.unicode else "..."
            name = name[: room - len(cut)] + cut
        text.append(f"{mark} {name}  {figures}")
    if len(lines) > _MAX_LEGEND:
        text.append(f"and {len(lines) - _MAX_LEGEND} more")
    return text
