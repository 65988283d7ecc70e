"""Numbers that are none, and those that no float can hold."""

from __future__ import annotations

import math

import pytest

from chrysaetos.numeric import is_integer, is_number


@pytest.mark.parametrize("value", [0, -1, 1.5, 10**308])
def test_finite_numbers_are_numbers(value: float) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, -math.inf, 10**400])
def test_other_values_are_not(value: object) -> None:
    assert not is_number(value)


@pytest.mark.parametrize(("value", "valid"), [(1, True), (2, True), (0, False), (True, False), (1.0, False)])
def test_integers_have_a_minimum(value: object, *, valid: bool) -> None:
    assert is_integer(value, 1) is valid
