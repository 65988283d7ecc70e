"""The layout of plots in images."""

import math

from chrysaetos.cli.chart import Curve, Text, draw_chart
from chrysaetos.cli.plot import Line


def draw(*lines, end=100):
    return draw_chart("a < b\x1b", lines, 0, end, 10)


def texts(chart):
    return [shape.text for shape in chart.shapes if isinstance(shape, Text)]


def curves(chart):
    """Return the pieces of each line; the axes and the legend have other widths."""
    return [shape.pieces for shape in chart.shapes if isinstance(shape, Curve) and shape.width == 1.5]


def test_lines_axes_and_legend():
    chart = draw(Line('{vm="a&b"}', [(0, 1), (10, 2), (20, 1)]), Line("up\x1b", [(0, 3)]))
    assert texts(chart)[0] == chart.title == "a < b\\x1b"
    assert '{vm="a&b"}: min 1, max 2, last 1' in texts(chart)
    assert "up\\x1b: min 3, max 3, last 3" in texts(chart)
    assert "1970-01-01T00:00:00Z to 1970-01-01T00:01:40Z" in texts(chart)
    assert {"3.00", "1.00"} <= set(texts(chart))
    ((first,), second) = curves(chart)
    assert len(first) == 3
    assert second == [[(70.0, 35.0)]]


def test_gaps_are_not_connected():
    points = [(0, 1), (10, math.nan), (20, 1), (30, 1), (200, 9)]
    (pieces,) = curves(draw(Line("a", points)))
    assert list(map(len, pieces)) == [1, 2]


def test_without_points():
    chart = draw(Line("a", [(0, math.inf)]))
    assert "no points to draw" in texts(chart)
    assert "a: no points" in texts(chart)
    assert texts(draw())[-1] == "no points to draw"


def test_the_legend_is_limited():
    chart = draw(*(Line(f"l{n}", [(0, n)]) for n in range(23)))
    assert texts(chart)[-1] == "and 3 more"
    assert len(curves(chart)) == 23
