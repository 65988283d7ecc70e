"""Prometheus' durations: ``5m``, ``1h30m``, ``250ms``.

Source: prometheus/common, ``model.ParseDuration``. Each unit occurs at most once, the longest first. A
year has 365 days. Prometheus stores a duration as a signed 64-bit number of nanoseconds, which limits its
length.
"""

from __future__ import annotations

import re

__all__ = ["DURATION", "MAX_MILLISECONDS", "duration_milliseconds"]

_UNITS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""The milliseconds of each unit."""

MAX_MILLISECONDS = (2**63 - 1) // 10**6

# The lookahead after each unit keeps the "m" of "ms" from being read as minutes.
DURATION = "(?=[0-9])" + "".join(f"(?:[0-9]++{unit}(?![a-z]))?" for unit in _UNITS)
"""A duration as a regular expression without groups."""

_DURATION = re.compile(DURATION)
_PART = re.compile("([0-9]+)([a-z]+)")


def duration_milliseconds(text: str) -> int:
    """Return the length of a duration in milliseconds.

    Raises:
        ValueError: the text is not a duration.
        OverflowError: the duration is longer than Prometheus can store.
    """
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a duration such as 5m or 1h30m")
    digits, unit = text[:-1], text[-1]
    if unit != "y" and len(digits) < 5 and digits.isdigit():
        return int(digits) * _UNITS[unit]
    length = 0
    for digits, unit in _PART.findall(text):
        significant = digits.lstrip("0")
        # Python refuses to convert a number of more than 4,300 digits.
        if len(significant) > len(str(MAX_MILLISECONDS)):
            raise OverflowError(f"{text[:40]} is longer than Prometheus can store")
        length += int(significant or "0") * _UNITS[unit]
    if length > MAX_MILLISECONDS:
        raise OverflowError(f"{text[:40]} is longer than Prometheus can store")
    return length
