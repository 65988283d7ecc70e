"""Plots as images."""

import math
import xml.etree.ElementTree as ET

from chrysaetos.cli.plot import Line
from chrysaetos.cli.svg import draw_svg

NS = "{http://www.w3.org/2000/svg}"


def draw(*lines, end=100):
    return ET.fromstring(draw_svg("a < b\x1b", lines, 0, end, 10))  # noqa: S314  # our own image


def texts(image):
    return [text.text for text in image.iter(f"{NS}text")]


def curves(image):
    return [path.get("d") for path in image.iter(f"{NS}path") if path.get("stroke-linejoin")]


def test_lines_axes_and_legend():
    image = draw(Line('{vm="a&b"}', [(0, 1), (10, 2), (20, 1)]), Line("up", [(0, 3)]))
    assert texts(image)[0] == "a < b\\x1b"
    assert '{vm="a&b"}: min 1, max 2, last 1' in texts(image)
    assert "1970-01-01T00:00:00Z to 1970-01-01T00:01:40Z" in texts(image)
    assert {"3.00", "1.00"} <= set(texts(image))
    first, second = curves(image)
    assert (first.count("M"), first.count("L")) == (1, 2)
    assert second.startswith("M70.0 35.0h0")


def test_gaps_are_not_connected():
    (path,) = curves(draw(Line("a", [(0, 1), (10, math.nan), (20, 1), (30, 1), (200, 9)])))
    assert (path.count("M"), path.count("L")) == (2, 1)


def test_without_points():
    image = draw(Line("a", [(0, math.inf)]))
    assert "no points to draw" in texts(image)
    assert "a: no points" in texts(image)
    assert texts(draw())[-1] == "no points to draw"


def test_the_legend_is_limited():
    image = draw(*(Line(f"l{n}", [(0, n)]) for n in range(23)))
    assert texts(image)[-1] == "and 3 more"
    assert len(curves(image)) == 23
