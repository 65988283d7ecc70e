"""Literals, parsed with the gateway's parser."""

from decimal import Decimal

import pytest

from chrysaetos.client import promql as p
from chrysaetos.promql.parser import parse


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-5, "-5"),
        (0.1, "0.1"),
        (1e30, "1e+30"),
        (Decimal("1E+3"), "1E+3"),
        (float("nan"), "NaN"),
        (float("inf"), "Inf"),
        (Decimal("-Infinity"), "-Inf"),
        (Decimal("NaN"), "NaN"),
    ],
)
def test_numbers(value, text):
    assert p.number(value) == text
    parse(text)


def test_a_label_name_that_reads_as_a_number_is_quoted():
    assert p.label_name("inf") == '"inf"'
    assert p.label_name("by") == "by"
    parse(p.aggregate("sum", p.selector("up"), by=["by", "on", "NaN"]))
