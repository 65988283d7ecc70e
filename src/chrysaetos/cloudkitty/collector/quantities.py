"""Convert a value of Prometheus to a quantity of CloudKitty without losing digits."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

__all__ = ["quantity"]

_DIGITS = 28
"""Significant digits of a recurring decimal. Values are float64, which have 17."""


def quantity(value: str, factor: float | Fraction, offset: float | Fraction) -> Decimal | None:
    """Return the value multiplied by factor, plus offset.

    Prometheus prints the shortest text of its float64, and the numbers of metrics.yml are taken as decimals:
    0.1 is a tenth. The calculation is exact; only the final division may round.

    Args:
        value: the value in Prometheus' JSON.
        factor: the factor in metrics.yml.
        offset: the offset in metrics.yml.

    Returns:
        The quantity; None for NaN and the infinities.
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
