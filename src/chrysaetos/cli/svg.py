"""Write a chart as an SVG image (SVG 1.1), with nothing but paths and text."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from chrysaetos.cli.chart import Text

if TYPE_CHECKING:
    from chrysaetos.cli.chart import Chart, Curve

__all__ = ["to_svg"]


def to_svg(chart: Chart) -> bytes:
    """Return a chart as an SVG document in UTF-8."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"',
        f'  viewBox="0 0 {chart.width} {chart.height}" width="{chart.width}" height="{chart.height}">',
        f"<title>{escape(chart.title)}</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        *(_text(shape) if isinstance(shape, Text) else _path(shape) for shape in chart.shapes),
        "</svg>\n",
    ]
    return "\n".join(parts).encode()


def _text(text: Text) -> str:
    return (
        f'<text x="{text.x:.1f}" y="{text.y:.1f}" text-anchor="{text.anchor}" font-size="{text.size}" '
        f'fill="{text.colour}">{escape(text.text)}</text>'
    )


def _path(curve: Curve) -> str:
    moves = []
    for piece in curve.pieces:
        (x, y), *others = piece
        # A line of no length is a dot, because of its round ends.
        moves.append(f"M{x:.1f} {y:.1f}" + ("".join(f"L{x:.1f} {y:.1f}" for x, y in others) or "h0"))
    return (
        f'<path d="{"".join(moves)}" fill="none" stroke="{curve.colour}" stroke-width="{curve.width}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )
