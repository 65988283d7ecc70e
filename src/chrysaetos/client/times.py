"""Times and durations, as callers have them and as Prometheus takes them.

Prometheus' clock ticks in milliseconds, so that is what everything is computed in: whole numbers.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from chrysaetos.client.errors import InvalidArgument

__all__ = ["Span", "Time", "aware", "milliseconds", "seconds_text", "span_milliseconds"]

Time = datetime | float
"""An aware datetime, or seconds since the epoch."""

Span = timedelta | float | str
"""Seconds, a timedelta, or a duration as Prometheus writes it: `5m`, `1h30m`."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST = 2**63 // 10**6
"""Milliseconds; Prometheus computes in nanoseconds of 64 bits."""

# prometheus/common, model.ParseDuration: each unit at most once, in this order.
_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?"
    r"(?:([0-9]+)ms)?",
    re.ASCII,
)
_UNITS = (365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)


def milliseconds(time: Time, what: str = "the time") -> int:
    """Milliseconds since the epoch.

    Args:
        time: an aware datetime or seconds.
        what: names it in an error.

    Raises:
        InvalidArgument: a datetime without a zone, or no time at all.
    """
    if isinstance(time, datetime):
        if time.utcoffset() is None:
            raise InvalidArgument(
                f"{what} has no time zone: {time.isoformat()}; say which is meant, "
                "such as datetime.now(timezone.utc)"
            )
        return round((time - _EPOCH) / _MILLISECOND)
    return _number(time, what, "an aware datetime or seconds since the epoch")


def span_milliseconds(span: Span, what: str = "the duration") -> int:
    """Milliseconds of a duration that is longer than 0.

    Raises:
        InvalidArgument: it is none, or too long for Prometheus.
    """
    if isinstance(span, timedelta):
        length = round(span / _MILLISECOND)
    elif isinstance(span, str):
        length = _parsed(span, what)
    else:
        length = _number(span, what, 'seconds, a timedelta, or a duration such as "5m"')
    if not 0 < length <= _LONGEST:
        raise InvalidArgument(f"{what} must be at least 1 ms and at most {_LONGEST} ms: {span!r}")
    return length


def _number(value: object, what: str, expected: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArgument(f"{what} must be {expected}, not {value!r}")
    return round(value * 1000)


def _parsed(text: str, what: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidArgument(f'{what} is no duration of Prometheus (as "5m" or "1h30m"): {text!r}')
    if max(len(digits) for digits in match.groups("")) > len(str(_LONGEST)):
        raise InvalidArgument(f"{what} is too long: {text[:40]!r}")
    return sum(int(digits) * unit for digits, unit in zip(match.groups("0"), _UNITS, strict=True))


def seconds_text(value: int) -> str:
    """Milliseconds, written as seconds with as many decimals as they need."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 1000)
    return f"{sign}{whole}.{rest:03}".rstrip("0") if rest else f"{sign}{whole}"


def aware(seconds: float) -> datetime:
    """Seconds since the epoch as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
