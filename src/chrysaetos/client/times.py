"""Convert times and durations of the caller to whole milliseconds, Prometheus' resolution, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.numeric import is_number
from chrysaetos.promql import units

__all__ = ["Duration", "Time", "aware", "duration_milliseconds", "milliseconds", "seconds_text"]

Time = datetime | float
"""An aware datetime, or seconds since the epoch."""

Duration = timedelta | float | str
"""Seconds, a timedelta, or a duration in Prometheus' notation: ``5m``, ``1h30m``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


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
    if not 0 < length <= units.MAX_MILLISECONDS:
        raise InvalidArgument(
            f"{name} must be at least 1 ms and at most {units.MAX_MILLISECONDS} ms, not {duration!r}"
        )
    return length


def _number(value: object, name: str, expected: str) -> int:
    if not is_number(value):
        raise InvalidArgument(f"{name} must be {expected}, not {value!r}")
    return round(value * 1000)


def _parse_duration(text: str, name: str) -> int:
    try:
        return units.duration_milliseconds(text)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"{name}: {error}") from error


def seconds_text(value: int) -> str:
    """Return milliseconds as seconds in decimal notation, without trailing zeros."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 1000)
    return f"{sign}{whole}.{rest:03}".rstrip("0") if rest else f"{sign}{whole}"


def aware(seconds: float) -> datetime:
    """Return seconds since the epoch as a datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
