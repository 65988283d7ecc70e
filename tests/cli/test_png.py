"""Plots as PNG images."""

import io

from PIL import Image

from chrysaetos.cli.chart import Chart, Curve, Text
from chrysaetos.cli.png import to_png

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def pixels(*shapes):
    image = Image.open(io.BytesIO(to_png(Chart("title", 60, 30, shapes))))
    assert (image.format, image.size) == ("PNG", (120, 60))
    return image.convert("RGB")


def test_lines_and_dots_are_where_they_should_be():
    image = pixels(Curve([[(5, 10), (25, 10)], [(40, 20)]], "#ff0000", 4))
    assert image.getpixel((30, 20)) == RED
    assert image.getpixel((80, 40)) == RED
    assert image.getpixel((30, 28)) == image.getpixel((80, 20)) == WHITE


def test_the_anchor_of_a_text():
    for anchor, left, right in (("start", 40, 120), ("end", 0, 40)):
        image = pixels(Text(20, 20, "Iil", anchor=anchor, colour="#0000ff"))
        dark = [x for x in range(120) for y in range(60) if image.getpixel((x, y)) != WHITE]
        assert dark
        assert left <= min(dark)
        assert max(dark) <= right
