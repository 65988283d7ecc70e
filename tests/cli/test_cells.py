"""Conversion of results to cells."""

import math
from decimal import Decimal

import pytest

from chrysaetos.cli.cells import Text, label_columns, label_names, number, printable, text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1.0, 1),
        (0.1, 0.1),
        (-0.0, 0),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (Decimal("2.50"), 2.5),
        (Decimal("NaN"), "NaN"),
        (1e300, 1e300),
    ],
)
def test_numbers_are_valid_json(value, cell):
    assert number(value) == cell
    assert type(number(value)) is type(cell)


def test_only_unprintable_characters_are_escaped():
    assert text("naïve ☃ text") == "naïve ☃ text"
    assert printable("naïve\n\x1b[31m\u202e") == "naïve\\n\\x1b[31m\\u202e"
    cell = text("a\tb")
    assert isinstance(cell, Text)
    assert (cell.human_readable(), cell.machine_readable()) == ("a\\tb", "a\tb")


def test_the_metric_name_is_the_first_label():
    assert label_names([{"b": "1", "__name__": "up"}, {"a": "2", "Z": ""}]) == ["__name__", "Z", "a", "b"]


def test_a_label_with_the_name_of_a_column_is_renamed():
    assert label_columns(["value", "vm", "time"], ["time", "value"]) == ["label_value", "vm", "label_time"]
