"""Plots as SVG images."""

import xml.etree.ElementTree as ET

from chrysaetos.cli.chart import Chart, Curve, Text
from chrysaetos.cli.svg import to_svg

NS = "{http://www.w3.org/2000/svg}"


def test_texts_are_escaped_and_dots_are_lines_without_length():
    shapes: list[Text | Curve] = [
        Text(1, 2, 'a < "b"', anchor="end"),
        Curve([[(0, 0), (3, 4)], [(5, 6)]], "#123456", 1.5),
    ]
    image = ET.fromstring(to_svg(Chart("<title>", 30, 20, shapes)))  # noqa: S314  # our own image
    assert (image.get("width"), image.get("height")) == ("30", "20")
    assert image.findtext(f"{NS}title") == "<title>"
    (text,) = image.iter(f"{NS}text")
    assert (text.text, text.get("text-anchor")) == ('a < "b"', "end")
    (path,) = image.iter(f"{NS}path")
    assert (path.get("d"), path.get("stroke")) == ("M0.0 0.0L3.0 4.0M5.0 6.0h0", "#123456")
