"""Draw series over time as an SVG image (SVG 1.1), with nothing but paths and text."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from chrysaetos.cli.axes import Axis, format_short, time_labels, value_labels
from chrysaetos.cli.cells import printable
from chrysaetos.cli.plot import value_axis
from chrysaetos.cli.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chrysaetos.cli.plot import Line

__all__ = ["draw_svg"]

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


def draw_svg(title: str, lines: Sequence[Line], start: float, end: float, step: float) -> str:
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
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12" fill="#333"',
        f'  viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        f"<title>{_text(title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{_text(title)}</text>',
    ]
    values = value_axis(lines)
    if values is None:
        parts.append(f'<text x="{_LEFT}" y="{_TOP + 40}">no points to draw</text>')
    else:
        times = Axis(start, max(end, start + 1))
        parts += [*_value_axis(values), *_time_axis(times)]
        for number, line in enumerate(lines):
            parts.append(
                f'<path d="{_path(line, times, values, step)}" fill="none" '
                f'stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="1.5" '
                'stroke-linejoin="round" stroke-linecap="round"/>'
            )
    parts += [part for number, line in enumerate(shown) for part in _legend(number, line)]
    if len(lines) > len(shown):
        parts.append(f'<text x="{_LEFT}" y="{height - 8}">and {len(lines) - len(shown)} more</text>')
    return "\n".join([*parts, "</svg>", ""])


def _x(times: Axis, time: float) -> float:
    return _LEFT + times.position(time) * (_WIDTH - _LEFT - _RIGHT)


def _y(values: Axis, value: float) -> float:
    return _TOP + (1 - values.position(value)) * (_HEIGHT - _TOP - _BOTTOM)


def _value_axis(values: Axis) -> Iterator[str]:
    for row, label in enumerate(value_labels(values, _ROWS)):
        if label:
            y = _TOP + row / (_ROWS - 1) * (_HEIGHT - _TOP - _BOTTOM)
            yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'


def _time_axis(times: Axis) -> Iterator[str]:
    bottom = _HEIGHT - _BOTTOM
    columns = (_WIDTH - _LEFT - _RIGHT) // _CHARACTER
    for column, label in time_labels(times, columns):
        x = _LEFT + column * (_WIDTH - _LEFT - _RIGHT) / max(columns - 1, 1)
        yield f'<path d="M{x:.1f} {_TOP}V{bottom + 4}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{label}</text>'
    yield f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}" fill="none" stroke="#999"/>'
    yield (
        f'<text x="{_LEFT}" y="{bottom + 34}" fill="#777">'
        f"{rfc3339(times.low)} to {rfc3339(times.high)}</text>"
    )


def _path(line: Line, times: Axis, values: Axis, step: float) -> str:
    """Return the path of a line: a point without neighbours is a dot."""
    points = [
        (time, f"{_x(times, time):.1f} {_y(values, value):.1f}")
        for time, value in line.points
        if math.isfinite(value) and times.low <= time <= times.high
    ]
    path = [f"M{place}h0" for _, place in points[:1]]
    for (before, _), (time, place) in pairwise(points):
        path.append(f"L{place}" if time - before <= step * 1.5 else f"M{place}h0")
    return "".join(path)


def _legend(number: int, line: Line) -> Iterator[str]:
    y = _HEIGHT + _ROW * number + 5
    finite = [value for _, value in line.points if math.isfinite(value)]
    figures = "no points"
    if finite:
        low, high, last = map(format_short, (min(finite), max(finite), finite[-1]))
        figures = f"min {low}, max {high}, last {last}"
    colour = _COLOURS[number % len(_COLOURS)]
    yield f'<path d="M{_LEFT} {y}h20" stroke="{colour}" stroke-width="3"/>'
    yield f'<text x="{_LEFT + 28}" y="{y + 4}">{_text(line.name)}: {figures}</text>'


def _text(text: str) -> str:
    return escape(printable(text))
