"""Draw the results of benchmarks as groups of bars, in an SVG or PNG file."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.cli.axes import format_short
from chrysaetos.cli.chart import Chart, Curve, Text
from chrysaetos.cli.svg import to_svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Panel", "draw"]

WIDTH, HEIGHT = 900, 190
LEFT, RIGHT, TOP, BOTTOM = 60, 15, 30, 25
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")


class Panel(NamedTuple):
    """A diagram: for each column a group of bars, one bar of each row.

    Attributes:
        title: the title, with the unit.
        columns: the labels below the groups.
        rows: the heights of a row's bars, by its name. None leaves a bar out.
        logarithmic: whether the scale is logarithmic, for positive values of different orders of magnitude.
    """

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]
    logarithmic: bool = False


def draw(file: Path, title: str, panels: Sequence[Panel]) -> None:
    """Write panels below each other, and a legend of all rows, as an SVG or PNG file.

    Args:
        file: the file; its suffix is the format.
        title: the title of the image.
        panels: the panels. A row has the same colour in each.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.rows))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    shapes: list[Text | Curve] = [Text(LEFT, 20, title, size=14)]
    x = LEFT
    for name in names:
        shapes += [Curve([[(x, 38), (x + 14, 38)]], colours[name], 8), Text(x + 24, 42, name)]
        x += 44 + 6 * len(name)
    for number, panel in enumerate(panels):
        shapes += _panel(panel, 50 + number * HEIGHT, colours)
    chart = Chart(title, WIDTH, 50 + len(panels) * HEIGHT, shapes)
    if file.suffix == ".png":
        from chrysaetos.cli.png import to_png  # noqa: PLC0415  # Pillow may be missing

        file.write_bytes(to_png(chart))
    else:
        file.write_bytes(to_svg(chart))


def _panel(panel: Panel, top: float, colours: Mapping[str, str]) -> Iterator[Text | Curve]:
    bottom, room = top + HEIGHT - BOTTOM, HEIGHT - TOP - BOTTOM
    values = [value for row in panel.rows.values() for value in row if value is not None]
    most = max(values, default=0) or 1
    least = min(values, default=1) / 2
    yield Text(LEFT, top + 18, panel.title)
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * room
        yield Curve([[(LEFT, y), (WIDTH - RIGHT, y)]], "#dddddd")
        mark = least * (most / least) ** part if panel.logarithmic else part * most
        yield Text(LEFT - 6, y + 4, format_short(float(f"{mark:.2g}")), "end", 11)
    group = (WIDTH - LEFT - RIGHT) / len(panel.columns)
    step = group * 0.8 / len(panel.rows)
    width = min(step * 0.8, 10.0)
    for column, label in enumerate(panel.columns):
        yield Text(LEFT + (column + 0.5) * group, bottom + 16, label, "middle", 11)
        for place, (name, row) in enumerate(panel.rows.items()):
            if (value := row[column]) is not None:
                x = LEFT + (column + 0.1) * group + (place + 0.5) * step
                part = log(value / least) / log(most / least) if panel.logarithmic else value / most
                # The ends of a line are round, half of its width.
                end = bottom - max(part * room - width / 2, width / 2)
                yield Curve([[(x, bottom - width / 2), (x, end)]], colours[name], width)
