from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from chrysaetos.cloudkitty.collector.quantities import quantity


@pytest.mark.parametrize(
    ("value", "factor", "offset", "expected"),
    [
        ("7", 1, 0, "7"),
        ("123456789012", 1, 0, "123456789012"),
        ("0.30000000000000004", 1, 0, "0.30000000000000004"),
        ("5", 0.1, 0, "0.5"),
        ("5", 0.1, 0.2, "0.7"),
        ("3145728", Fraction(1, 1048576), 0, "3"),
        ("1", Fraction(1, 3), 0, "0.3333333333333333333333333333"),
        ("1.7976931348623157e+308", 1, 0, "1.7976931348623157E+308"),
        ("5e-324", 2, 0, "1e-323"),
        ("-2.5", -2, 1, "6"),
    ],
)
def test_a_quantity_is_exact(value, factor, offset, expected):
    assert quantity(value, factor, offset) == Decimal(expected)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_values_that_are_not_finite_have_no_quantity(value):
    assert quantity(value, 2, 1) is None
