"""Write a chart as a PNG image, with Pillow and its own font."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from chrysaetos.cli.chart import Text

if TYPE_CHECKING:
    from chrysaetos.cli.chart import Chart

__all__ = ["to_png"]

_SCALE = 2
"""Pixels per unit of the chart, for screens with a high resolution."""
_SMOOTH = 2
"""Pillow draws lines without anti-aliasing: they are drawn larger by this factor, and reduced."""
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
"""Pillow's names for a position on the base line."""


def to_png(chart: Chart) -> bytes:
    """Return a chart as a PNG image of twice its size in pixels."""
    factor = _SCALE * _SMOOTH
    image = Image.new("RGB", (chart.width * factor, chart.height * factor), "white")
    draw = ImageDraw.Draw(image)
    for shape in chart.shapes:
        if isinstance(shape, Text):
            font = ImageFont.load_default(shape.size * factor)
            place = (shape.x * factor, shape.y * factor)
            draw.text(place, shape.text, fill=shape.colour, font=font, anchor=_ANCHORS[shape.anchor])
            continue
        width = round(shape.width * factor)
        for piece in shape.pieces:
            points = [(x * factor, y * factor) for x, y in piece]
            draw.line(points, fill=shape.colour, width=width, joint="curve")
            for x, y in (points[0], points[-1]):
                draw.circle((x, y), width / 2, fill=shape.colour)
    file = io.BytesIO()
    image.reduce(_SMOOTH).save(file, "PNG", optimize=True)
    return file.getvalue()
