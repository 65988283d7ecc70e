"""Check the range of a range query before Prometheus would refuse it.

Source: Prometheus 3.16, ``web/api/v1/api.go``: ``queryRange``, ``parseTime``, ``parseDuration``.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from chrysaetos.errors import BadRequest
from chrysaetos.promql.units import duration_milliseconds

__all__ = ["BOUNDARY_TIMES", "check_range"]

_MAX_POINTS = 11_000
"""Points of one series that a range query may have."""

_SECOND = 10**9
"""In nanoseconds, in which Prometheus counts."""

BOUNDARY_TIMES = {
    "-292273086-05-16T16:47:06Z": (62135596801 - 2**63 // 1000) * _SECOND,
    "292277025-08-18T07:12:54.999999999Z": (2**63 // 1000 - 62135596801) * _SECOND + _SECOND - 1,
}
"""The first and the last time that Prometheus knows, as it writes them: nanoseconds since the epoch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DURATION = 2**63 - 1


def check_range(start: str, end: str, step: str) -> tuple[float, float]:
    """Check the range of a range query.

    Args:
        start: a time: seconds since the epoch, or RFC 3339.
        end: a time, as ``start``.
        step: a duration: seconds, or in Prometheus' notation.

    Returns:
        The seconds from the start to the end, and those between two points.

    Raises:
        BadRequest: a value is out of bounds, the end is before the start, the step is not positive, or there
            are too many points.
    """
    begins, ends, width = _time("start", start), _time("end", end), _duration("step", step)
    if ends < begins:
        raise BadRequest('invalid parameter "end": end timestamp must not be before start time')
    if width <= 0:
        raise BadRequest(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    if (ends - begins) // width > _MAX_POINTS:
        raise BadRequest(
            f"exceeded maximum resolution of {_MAX_POINTS:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    return (ends - begins) / _SECOND, width / _SECOND


def _time(name: str, text: str) -> int:
    """Return nanoseconds since the epoch."""
    boundary = BOUNDARY_TIMES.get(text)
    if boundary is not None:
        return boundary
    try:
        seconds = float(text)
    except ValueError:
        return _rfc3339(name, text)
    if not math.isfinite(seconds):
        raise _out_of_bounds(name, text)
    fraction, whole = math.modf(seconds)
    return int(whole) * _SECOND + round(fraction * 1000) * (_SECOND // 1000)


def _rfc3339(name: str, text: str) -> int:
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, OverflowError):
        raise _out_of_bounds(name, text) from None
    return since // timedelta(microseconds=1) * 1000


def _duration(name: str, text: str) -> int:
    """Return nanoseconds."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            return duration_milliseconds(text) * (_SECOND // 1000)
        except OverflowError:
            raise _out_of_bounds(name, text) from None
    if not math.isfinite(seconds):
        raise _out_of_bounds(name, text)
    result = int(seconds * _SECOND)
    if abs(result) > _MAX_DURATION:
        raise _out_of_bounds(name, text)
    return result


def _out_of_bounds(name: str, text: str) -> BadRequest:
    return BadRequest(f'invalid parameter "{name}": {text!a} is out of bounds')
