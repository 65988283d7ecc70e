"""Plots in a terminal."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.cli.plot import Line, Style, draw

NOON = 1_795_262_400.0
PLAIN = Style(width=40, height=12, unicode=False)


def line(*values: float, name: str = "up") -> Line:
    return Line(name, [(NOON + 60 * index, value) for index, value in enumerate(values)])


def plot(*lines: Line, style: Style = PLAIN, points: int = 5) -> list[str]:
    return draw(lines, NOON, NOON + 60 * (points - 1), 60, style).splitlines()


def area(text: list[str], edge: str = "|") -> list[str]:
    """Return the plot without its labels."""
    return [row.partition(edge)[2] for row in text if edge in row]


def test_a_line_connects_its_points():
    shown = area(plot(line(0, 1, 2, 3, 4)))
    assert len(shown) == 9
    assert shown[0].index("*") > 25
    assert shown[-1].index("*") == 0
    assert all("*" in row for row in shown)


def test_axes_have_values_and_times():
    text = plot(line(0, 1, 2, 3, 4))
    assert text[0].startswith("4.0 |")
    assert text[8].startswith("0.0 |")
    assert text[9].strip().startswith("++--")
    assert "12:00:00" in text[10]
    assert text[11].strip() == "2026-11-21T12:00:00Z to 2026-11-21T12:04:00Z"


def test_nan_is_a_gap():
    whole = "".join(area(plot(line(1, 1, 1, 1, 1))))
    gap = "".join(area(plot(line(1, 1, math.nan, 1, 1))))
    assert whole.count("*") == 33
    assert 15 < gap.count("*") < 20
    row = next(row for row in area(plot(line(1, 1, math.nan, 1, 1))) if "*" in row)
    assert "*  " in row.strip()


def test_missing_points_are_a_gap():
    points = [(NOON, 1.0), (NOON + 60, 1.0), (NOON + 240, 1.0)]
    text = draw([Line("up", points)], NOON, NOON + 240, 60, PLAIN).splitlines()
    assert next(row for row in area(text) if "*" in row).strip("*").isspace()


def test_infinity_is_not_drawn():
    text = plot(line(0, math.inf, 1, -math.inf, 2))
    assert text[0].startswith("2.00 |")
    assert "min 0  max 2  last 2" in text[-1]


def test_several_lines_have_marks_and_a_legend():
    text = plot(line(0, 0, 0, 0, 0, name="a"), line(1, 1, 1, 1, 1, name="b"))
    assert set(area(text)[-1]) == {"*"}
    assert set(area(text)[0]) == {"+"}
    assert text[-2:] == ["* a  min 0  max 0  last 0", "+ b  min 1  max 1  last 1"]


def test_a_long_legend_is_cut():
    text = plot(*(line(number, name=f"s{number}") for number in range(25)))
    assert text[-1] == "and 15 more"
    assert text[-2].startswith("~ s9 ")


def test_a_long_name_is_cut_to_the_width():
    text = plot(line(1, 2, name="x" * 500))
    assert len(text[-1]) <= 40
    assert text[-1].endswith("...  min 1  max 2  last 2")
    assert "…" in plot(line(1, 2, name="x" * 500), style=Style(width=40))[-1]


def test_adjacent_cells_share_a_colour_sequence():
    rows = area(plot(line(1, 1, 1, 1, 1), style=Style(width=40, height=12, colour=True)), "┤")
    drawn = next(row for row in rows if "\x1b" in row)
    assert drawn.count("\x1b[36m") == 1
    assert drawn.endswith("\x1b[0m")


def test_the_legend_of_a_series_without_points():
    assert plot(line(1), line(math.nan, name="none"))[-1] == "+ none  no points"


@pytest.mark.parametrize("lines", [(), (line(),), (line(math.nan, math.inf),)])
def test_no_points_to_draw(lines):
    assert plot(*lines) == ["no points to draw"]


def test_one_line_is_drawn_in_braille():
    text = plot(line(0, 1, 2, 3, 4), style=Style(width=40, height=12))
    drawn = "".join(area(text, "┤")).replace(" ", "")
    assert drawn
    assert all(0x2800 < ord(dots) <= 0x28FF for dots in drawn)
    assert text[9].strip().startswith("└┬──")
    assert "\x1b" not in "".join(text)


def test_several_lines_are_drawn_in_braille_only_in_colour():
    lines = (line(0, 1, name="a"), line(1, 0, name="b"))
    marked = "".join(plot(*lines, style=Style(width=40, height=12)))
    assert "*" in marked
    assert "+" in marked
    coloured = plot(*lines, style=Style(width=40, height=12, colour=True))
    assert "\x1b[36m⣿\x1b[0m a" in coloured[-2]
    assert "\x1b[33m⣿\x1b[0m b" in coloured[-1]


def test_a_minimum_size():
    text = plot(line(1, 2), style=Style(width=1, height=1, unicode=False))
    assert len(area(text)) == 4


values = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(st.lists(values, max_size=30), max_size=4),
    st.integers(1, 200),
    st.integers(1, 60),
    st.booleans(),
)
def test_every_plot_fits_its_width(series, width, height, unicode):
    lines = [line(*values, name="") for values in series]
    text = draw(lines, NOON, NOON + 60 * 29, 60, Style(width=width, height=height, unicode=unicode))
    edge = "┤" if unicode else "|"
    for row in text.splitlines():
        if edge in row:
            assert len(row.partition(edge)[2]) <= max(width, 10)
