"""Check the series of a result once, so that views of them cannot fail when they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.client.samples import Number

__all__ = ["InvalidSeries", "check_matrix", "check_vector"]

_MAX_SHOWN = 100
"""Characters of an invalid series in the message."""


class InvalidSeries(ValueError):
    """A result, or a series in it, is not what Prometheus' API specifies."""


def check_vector(raw: Any, number: Number) -> None:
    """Check the series of a vector: labels, and a time with a number or a native histogram.

    Args:
        raw: ``result`` in Prometheus' JSON.
        number: parses a number.

    Raises:
        InvalidSeries: a series is invalid.
    """

    def check(series: Any) -> None:
        pair = series.get("value")
        if pair is None:
            time, histogram = series["histogram"]
            _check_histogram(histogram, number)
        else:
            time, value = pair
            number(value)
        float(time)

    _check_each(raw, check)


def check_matrix(raw: Any, number: Number) -> None:
    """Check the series of a matrix: labels, and times with numbers or native histograms.

    Args:
        raw: ``result`` in Prometheus' JSON.
        number: parses a number.

    Raises:
        InvalidSeries: a series is invalid.
    """

    def check(series: Any) -> None:
        for time, value in series.get("values", ()):
            float(time)
            number(value)
        for time, histogram in series.get("histograms", ()):
            float(time)
            _check_histogram(histogram, number)

    _check_each(raw, check)


def _check_each(raw: Any, check: Callable[[Any], None]) -> None:
    if not isinstance(raw, list):
        raise InvalidSeries(f"'result' is not a list but {_shown(raw)}")
    for index, series in enumerate(raw):
        try:
            series["metric"].items()
            check(series)
        except (TypeError, KeyError, IndexError, AttributeError, ArithmeticError, ValueError) as error:
            raise InvalidSeries(f"series {index} is {_shown(series)}") from error


def _check_histogram(histogram: Any, number: Number) -> None:
    number(histogram["count"])
    number(histogram["sum"])
    for _, lower, upper, count in histogram.get("buckets", ()):
        number(lower)
        number(upper)
        number(count)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
