"""From a value of Prometheus to a quantity of CloudKitty, without losing a digit."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

__all__ = ["quantity"]

_DIGITS = 28
"""Significant digits of a quotient that does not end. A float64, which all values are, has 17."""


def quantity(value: str, factor: float | Fraction, offset: float | Fraction) -> Decimal | None:
    """A value times factor plus offset.

    Prometheus writes the shortest text that means its float64, and a factor of metrics.yml is the number that
    is written there: 0.1 is a tenth. The sum is exact; only its last step may round.

    Args:
        value: as Prometheus' JSON has it.
        factor: as metrics.yml has it.
        offset: as metrics.yml has it.

    Returns:
        The quantity, None for NaN and the infinities, which are none.
    """
    number = Decimal(value)
    if not number.is_finite():
        return None
    exact = _fraction(number) * _fraction(factor) + _fraction(offset)
    with localcontext() as context:
        context.prec = _DIGITS
        return Decimal(exact.numerator) / Decimal(exact.denominator)


def _fraction(number: float | Decimal | Fraction) -> Fraction:
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)
