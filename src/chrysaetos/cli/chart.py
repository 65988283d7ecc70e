"""Lay out series over time as an image of lines and texts, which ``svg`` and ``png`` write."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.cli.axes import Axis, time_labels, value_labels
from chrysaetos.cli.cells import printable
from chrysaetos.cli.plot import value_axis
from chrysaetos.cli.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.cli.plot import Line

__all__ = ["Chart", "Curve", "Text", "draw_chart"]

_WIDTH, _HEIGHT = 900, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 15, 35, 45
_ROW = 18
"""Height of a row of the legend."""
_CHARACTER = 7
"""The width that the labels of the time axis are spaced for."""
_ROWS = 21
_MAX_LEGEND = 20
_COLOURS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
_GRID = "#dddddd"


class Text(NamedTuple):
    """A printable text on a base line at ``y``; ``anchor`` says what is at ``x``: start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    size: int = 12
    colour: str = "#333333"


class Curve(NamedTuple):
    """Pieces of connected points. A piece with one point is a dot."""

    pieces: Sequence[Sequence[tuple[float, float]]]
    colour: str
    width: float = 1


class Chart(NamedTuple):
    """An image on white ground, with its shapes from back to front."""

    title: str
    width: int
    height: int
    shapes: Sequence[Text | Curve]


def draw_chart(title: str, lines: Sequence[Line], start: float, end: float, step: float) -> Chart:
    """Return an image of lines over a range of time, with axes in UTC and a legend.

    Args:
        title: the text above.
        lines: the lines to draw; values that are not finite are gaps.
        start: the start of the time axis, in seconds since the epoch.
        end: the end of the time axis.
        step: seconds between points; points that are further apart are not connected.
    """
    shown = lines[:_MAX_LEGEND]
    height = _HEIGHT + _ROW * (len(shown) + (len(lines) > len(shown))) + 5
    title = printable(title)
    shapes: list[Text | Curve] = [Text(_LEFT, 20, title, size=14)]
    values = value_axis(lines)
    if values is None:
        shapes.append(Text(_LEFT, _TOP + 40, "no points to draw"))
    else:
        times = Axis(start, max(end, start + 1))
        shapes += [*_value_axis(values), *_time_axis(times)]
        shapes += [
            Curve(_pieces(line, times, values, step), _colour(number), 1.5)
            for number, line in enumerate(lines)
        ]
    shapes += [shape for number, line in enumerate(shown) for shape in _legend(number, line)]
    if len(lines) > len(shown):
        shapes.append(Text(_LEFT, height - 8, f"and {len(lines) - len(shown)} more"))
    return Chart(title, _WIDTH, height, shapes)


def _x(times: Axis, time: float) -> float:
    return _LEFT + times.position(time) * (_WIDTH - _LEFT - _RIGHT)


def _y(values: Axis, value: float) -> float:
    return _TOP + (1 - values.position(value)) * (_HEIGHT - _TOP - _BOTTOM)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _value_axis(values: Axis) -> Iterator[Text | Curve]:
    for row, label in enumerate(value_labels(values, _ROWS)):
        if label:
            y = _TOP + row / (_ROWS - 1) * (_HEIGHT - _TOP - _BOTTOM)
            yield Curve([[(_LEFT, y), (_WIDTH - _RIGHT, y)]], _GRID)
            yield Text(_LEFT - 6, y + 4, label, anchor="end")


def _time_axis(times: Axis) -> Iterator[Text | Curve]:
    bottom = _HEIGHT - _BOTTOM
    columns = (_WIDTH - _LEFT - _RIGHT) // _CHARACTER
    for column, label in time_labels(times, columns):
        x = _LEFT + column * (_WIDTH - _LEFT - _RIGHT) / max(columns - 1, 1)
        yield Curve([[(x, _TOP), (x, bottom + 4)]], _GRID)
        yield Text(x, bottom + 17, label, anchor="middle")
    yield Curve([[(_LEFT, _TOP), (_LEFT, bottom), (_WIDTH - _RIGHT, bottom)]], "#999999")
    yield Text(_LEFT, bottom + 34, f"{rfc3339(times.low)} to {rfc3339(times.high)}", colour="#777777")


def _pieces(line: Line, times: Axis, values: Axis, step: float) -> list[list[tuple[float, float]]]:
    """Return the pieces of a line."""
    points = [
        (time, (_x(times, time), _y(values, value)))
        for time, value in line.points
        if math.isfinite(value) and times.low <= time <= times.high
    ]
    pieces = [[place] for _, place in points[:1]]
    for (before, _), (time, place) in pairwise(points):
        if time - before <= step * 1.5:
            pieces[-1].append(place)
        else:
            pieces.append([place])
    return pieces


def _legend(number: int, line: Line) -> Iterator[Text | Curve]:
    y = _HEIGHT + _ROW * number + 5
    yield Curve([[(_LEFT, y), (_LEFT + 20, y)]], _colour(number), 3)
    yield Text(_LEFT + 28, y + 4, printable(f"{line.name}: {line.figures(', ')}"))
