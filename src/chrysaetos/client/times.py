"""Convert times and durations of the caller to whole milliseconds, Prometheus' resolution, and back."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from chrysaetos.client.errors import InvalidArgument

__all__ = ["Duration", "Time", "aware", "duration_milliseconds", "milliseconds", "seconds_text"]

Time = datetime | float
"""An aware datetime, or seconds since the epoch."""

Duration = timedelta | float | str
"""Seconds, a timedelta, or a duration in Prometheus' notation: ``5m``, ``1h30m``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MAX_DURATION = 2**63 // 10**6
"""In milliseconds: Prometheus stores a duration as 64-bit nanoseconds."""

# prometheus/common, model.ParseDuration: each unit at most once, in this order.
_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]+)y)?(?:([0-9]+)w)?(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?"
    r"(?:([0-9]+)ms)?",
    re.ASCII,
)
_UNITS = (365 * 86_400_000, 7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)


def milliseconds(time: Time, name: str = "the time") -> int:
    """Return a time as milliseconds since the epoch.

    Args:
        time: an aware datetime or seconds since the epoch.
        name: the argument's name for error messages.

    Raises:
        InvalidArgument: the time is a datetime without a zone, or of another type.
    """
    if isinstance(time, datetime):
        if time.utcoffset() is None:
            raise InvalidArgument(
                f"{name} has no time zone: {time.isoformat()}; use an aware datetime, "
                "such as datetime.now(timezone.utc)"
            )
        return round((time - _EPOCH) / _MILLISECOND)
    return _number(time, name, "an aware datetime or seconds since the epoch")


def duration_milliseconds(duration: Duration, name: str = "the duration") -> int:
    """Return a positive duration in milliseconds.

    Args:
        duration: seconds, a timedelta, or a duration in Prometheus' notation.
        name: the argument's name for error messages.

    Raises:
        InvalidArgument: the duration is not positive, too long for Prometheus, or of another type.
    """
    if isinstance(duration, timedelta):
        length = round(duration / _MILLISECOND)
    elif isinstance(duration, str):
        length = _parse_duration(duration, name)
    else:
        length = _number(duration, name, 'seconds, a timedelta, or a duration such as "5m"')
    if not 0 < length <= _MAX_DURATION:
        raise InvalidArgument(f"{name} must be at least 1 ms and at most {_MAX_DURATION} ms: {duration!r}")
    return length


def _number(value: object, name: str, expected: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArgument(f"{name} must be {expected}, not {value!r}")
    return round(value * 1000)


def _parse_duration(text: str, name: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidArgument(f'{name} must be a duration such as "5m" or "1h30m", not {text!r}')
    if max(len(digits) for digits in match.groups("")) > len(str(_MAX_DURATION)):
        raise InvalidArgument(f"{name} is too long: {text[:40]!r}")
    return sum(int(digits) * unit for digits, unit in zip(match.groups("0"), _UNITS, strict=True))


def seconds_text(value: int) -> str:
    """Return milliseconds as seconds in decimal notation, without trailing zeros."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 1000)
    return f"{sign}{whole}.{rest:03}".rstrip("0") if rest else f"{sign}{whole}"


def aware(seconds: float) -> datetime:
    """Return seconds since the epoch as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
