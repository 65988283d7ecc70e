"""Parse and format the times and durations of command-line arguments."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from chrysaetos.promql.units import duration_milliseconds

__all__ = ["TimeArgument", "parse_duration", "parse_time", "rfc3339"]

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_RELATIVE = re.compile(r"(?:now)?\s*([+-])\s*(\S+)")
_ABSOLUTE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)[0-9]*)?"
    r"\s*([Zz]|[+-][0-9]{2}:?[0-9]{2}|[A-Za-z][A-Za-z0-9_+/-]*)?"
)
"""Date, time of day and zone. Prometheus prints nanoseconds; a datetime has microseconds."""
_MAX_SECONDS = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

_ACCEPTED = (
    "now; 3h, -3h and now-3h (three hours ago), now+5m (y, w, d, h, m, s, ms; 1h30m); "
    "2026-11-21T13:05:00Z or +01:00; '2026-11-21 13:05 Europe/Berlin' or 'local'; seconds since 1970"
)


@dataclass(frozen=True, slots=True)
class TimeArgument:
    """A time, absolute or relative to now.

    Attributes:
        seconds: seconds since the epoch, or since now if ``relative``.
        relative: whether the time is relative to now.
    """

    seconds: float
    relative: bool = False

    def resolve(self, now: float) -> float:
        """Return the time in seconds since the epoch.

        Args:
            now: the current time in seconds since the epoch; the same for all times of one request.
        """
        return now + self.seconds if self.relative else self.seconds


def parse_time(text: str) -> TimeArgument:
    """Parse a time argument, for ``argparse``.

    Raises:
        argparse.ArgumentTypeError: the text is not a time; the message lists the formats.
    """
    written = text.strip()
    if written == "now":
        return TimeArgument(0, relative=True)
    if _NUMBER.fullmatch(written):
        seconds = float(written)
        if seconds > _MAX_SECONDS:
            raise argparse.ArgumentTypeError(
                f"{text!r} is after the year 9999: use seconds, not milliseconds"
            )
        return TimeArgument(seconds)
    if length := _length(written):
        return TimeArgument(-length, relative=True)
    if found := _RELATIVE.fullmatch(written):
        length = _length(found[2])
        if length is not None:
            return TimeArgument(-length if found[1] == "-" else length, relative=True)
    if found := _ABSOLUTE.fullmatch(written):
        return TimeArgument(_absolute(text, *found.groups()))
    raise argparse.ArgumentTypeError(f"{text!r} is not a time; valid times are: {_ACCEPTED}")


def parse_duration(text: str) -> float:
    """Parse a duration argument, for ``argparse``: ``30s``, ``1h30m``, or a number of seconds.

    Returns:
        The duration in seconds.

    Raises:
        argparse.ArgumentTypeError: the text is not a duration greater than 0.
    """
    written = text.strip()
    length = float(written) if _NUMBER.fullmatch(written) else _length(written)
    if not length:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration greater than 0; use 30s, 5m, 1h30m "
            "(y, w, d, h, m, s, ms) or a number of seconds"
        )
    return length


def rfc3339(seconds: float) -> str:
    """Return a time in the format of RFC 3339, in UTC, with milliseconds if there are any."""
    when = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=round(seconds * 1000))
    written = when.isoformat(timespec="milliseconds" if when.microsecond else "seconds")
    return written.replace("+00:00", "Z")


def _length(text: str) -> float | None:
    """Return the length of a duration in seconds; None if it is invalid or too long."""
    try:
        length = duration_milliseconds(text) / 1000
    except (ValueError, OverflowError):
        return None
    return length if length <= _MAX_SECONDS else None


def _absolute(text: str, date: str, time: str | None, zone: str | None) -> float:
    if zone is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} has no time zone: add Z, +01:00, a name such as Europe/Berlin, or local"
        )
    try:
        naive = datetime.fromisoformat(f"{date}T{time or '00:00'}")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: {error}") from error
    try:
        aware = naive.astimezone() if zone == "local" else naive.replace(tzinfo=_zone(text, zone))
        seconds = aware.timestamp()
        back = aware.astimezone(UTC).astimezone(aware.tzinfo)
    except (OverflowError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is out of range") from error
    if back.replace(tzinfo=None) != naive:
        raise argparse.ArgumentTypeError(f"{text!r} does not exist: the clocks were moved forward")
    return seconds


def _zone(text: str, zone: str) -> tzinfo:
    if zone in {"Z", "z"}:
        return UTC
    try:
        if zone[0] in "+-":
            offset = datetime.strptime(zone, "%z").tzinfo
            assert offset is not None  # noqa: S101  # %z always sets it
            return offset
        return ZoneInfo(zone)
    except (ValueError, OSError, LookupError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r}: {zone} is not a time zone; use Z, +01:00, a name such as Europe/Berlin, or local"
        ) from error
