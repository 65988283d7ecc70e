"""PromQL literals: strings, label names, numbers and durations."""

from __future__ import annotations

from decimal import Decimal

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.times import Duration, duration_milliseconds
from chrysaetos.promql.strings import is_label_name, is_legacy_name, quote, regex_quote
from chrysaetos.promql.words import NUMBERS

__all__ = ["duration", "label_name", "number", "regex_literal", "string"]


def string(value: str) -> str:
    """Return the string literal of a value.

    Raises:
        InvalidArgument: the value is not a str, or contains a surrogate, which UTF-8 cannot encode.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"a label's value must be a str, not {value!r}")
    try:
        return quote(value)
    except UnicodeEncodeError:
        raise InvalidArgument(
            f"a label's value contains a surrogate, which cannot be encoded: {value!r}"
        ) from None


def label_name(name: str) -> str:
    """Return a label's name for use in a selector or grouping, quoted if it is valid in Prometheus 3 only.

    Raises:
        InvalidArgument: the name is empty or not a str.
    """
    if not isinstance(name, str) or not is_label_name(name):
        raise InvalidArgument(f"not a label name: {name!r}")
    return name if is_legacy_name(name) and name.lower() not in NUMBERS else quote(name)


def regex_literal(value: str) -> str:
    """Return a regular expression (RE2) that matches exactly this value, without quotes.

    Raises:
        InvalidArgument: the value is not a str.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"a label's value must be a str, not {value!r}")
    return regex_quote(value)


def number(value: float | Decimal) -> str:
    """Return the literal of a number, including NaN and the infinities.

    Raises:
        InvalidArgument: the value is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidArgument(f"not a number: {value!r}")
    if value != value:  # noqa: PLR0124  # only NaN differs from itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    return repr(value) if isinstance(value, int | float) else str(value)


def duration(value: Duration) -> str:
    """Return the literal of a duration: ``300s`` for whole seconds, else milliseconds.

    Raises:
        InvalidArgument: the duration is not positive, or too long.
    """
    length = duration_milliseconds(value)
    return f"{length}ms" if length % 1000 else f"{length // 1000}s"
