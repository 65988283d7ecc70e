"""Lines in a terminal: series over time, drawn in braille dots or in plain ASCII.

Braille has eight dots a character (Unicode 15, block 2800 to 28FF), but two lines in one character can only
be told apart by their colour. So where there is no colour, several lines get one mark a character each.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

from chrysaetos.cli.axes import Axis, short, time_labels, value_labels
from chrysaetos.cli.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Line", "Look", "draw"]

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of a braille character for each row and column of its dots."""
_NOTHING = (-1, 0)
"""A cell without any line."""
_MARKS = "*+xo#@%&=~"
_COLOURS = (36, 33, 35, 32, 34, 31, 96, 93, 95, 92)
_MAX_LEGEND = len(_MARKS)


@dataclass(frozen=True, slots=True)
class Line:
    """A series: its name in the legend and its points (seconds, value), the earliest first.

    What is not finite is a gap.
    """

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw.

    Attributes:
        width, height: of everything in characters; the legend comes beneath.
        unicode: whether the terminal shows more than ASCII.
        colour: whether it knows ANSI's colours.
    """

    width: int = 80
    height: int = 20
    unicode: bool = True
    colour: bool = False


def draw(lines: Sequence[Line], start: float, end: float, step: float, look: Look) -> str:
    """Draw lines over a time.

    Args:
        lines: what to draw.
        start: the first time of the axis, in seconds since the epoch.
        end: the last one.
        step: seconds between points; points further apart are not connected.
        look: size and means.

    Returns:
        Lines of text without a last line break: the plot, the axes, and the legend.
    """
    finite = [value for line in lines for _, value in line.points if math.isfinite(value)]
    if not finite:
        return "no points to draw"
    low, high = min(finite), max(finite)
    if low == high:
        room = abs(low) / 10 or 1
        low, high = max(low - room, -sys.float_info.max), min(high + room, sys.float_info.max)
    values, times = Axis(low, high), Axis(start, max(end, start + 1))
    rows = max(look.height - 3, 4)
    labels = value_labels(values, rows)
    margin = max(map(len, labels))
    columns = max(look.width - margin - 2, 10)
    braille = look.unicode and (look.colour or len(lines) == 1)
    cells = _cells(lines, step, (times, values), (columns, rows), braille=braille)
    edge = "┤" if look.unicode else "|"
    text = []
    for y, label in enumerate(labels):
        row = [cells.get((x, y), _NOTHING) for x in range(columns)]
        text.append(f"{label:>{margin}} {edge}{_shown(row, look, braille=braille)}".rstrip())
    text += _time_axis(times, columns, margin, unicode=look.unicode)
    text += _legend(lines, look, braille=braille)
    return "\n".join(text)


def _cells(
    lines: Sequence[Line], step: float, axes: tuple[Axis, Axis], size: tuple[int, int], *, braille: bool
) -> dict[tuple[int, int], tuple[int, int]]:
    """Column and row → the line that was there first, and its dots."""
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
    """The dots of a line: its points, and what lies between two that follow each other."""
    placed = [
        (moment, round(times.place(moment) * last[0]), round((1 - values.place(value)) * last[1]))
        for moment, value in line.points
        if math.isfinite(value) and times.low <= moment <= times.high
    ]
    yield from ((x, y) for _, x, y in placed)
    for (t0, x0, y0), (t1, x1, y1) in pairwise(placed):
        if t1 - t0 <= step * 1.5:
            steps = max(abs(x1 - x0), abs(y1 - y0))
            for part in range(1, steps):
                yield round(x0 + (x1 - x0) * part / steps), round(y0 + (y1 - y0) * part / steps)


def _shown(row: list[tuple[int, int]], look: Look, *, braille: bool) -> str:
    """A row of cells as text, with one change of colour for neighbours of the same line."""
    text = ""
    for owner, run in groupby(row, key=itemgetter(0)):
        dots = [dots for _, dots in run]
        if owner < 0:
            text += " " * len(dots)
        elif braille:
            text += _coloured("".join(chr(0x2800 + one) for one in dots), owner, look)
        else:
            text += _coloured(_MARKS[owner % len(_MARKS)] * len(dots), owner, look)
    return text


def _coloured(text: str, owner: int, look: Look) -> str:
    return f"\x1b[{_COLOURS[owner % len(_COLOURS)]}m{text}\x1b[0m" if look.colour else text


def _time_axis(times: Axis, columns: int, margin: int, *, unicode: bool) -> list[str]:
    """The line beneath the plot with its ticks, the times at them, and the whole time."""
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


def _legend(lines: Sequence[Line], look: Look, *, braille: bool) -> list[str]:
    text = []
    for number, line in enumerate(lines[:_MAX_LEGEND]):
        values = [value for _, value in line.points if math.isfinite(value)]
        mark = _coloured("⣿" if braille else _MARKS[number], number, look)
        figures = (
            f"min {short(min(values))}  max {short(max(values))}  last {short(values[-1])}"
            if values
            else "no points"
        )
        name, room = line.name, max(look.width - len(figures) - 4, 10)
        if len(name) > room:
            cut = "…" if look.unicode else "..."
            name = name[: room - len(cut)] + cut
        text.append(f"{mark} {name}  {figures}")
    if len(lines) > _MAX_LEGEND:
        text.append(f"and {len(lines) - _MAX_LEGEND} more")
    return text
