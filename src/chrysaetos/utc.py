"""Days and times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["DAY", "LAST_SECOND", "utc_text"]

DAY = 86_400
"""Seconds of a day."""
LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds since the epoch: ``datetime`` knows no later times."""


def utc_text(seconds: float) -> str:
    """Return seconds since the epoch as in RFC 3339, in UTC and whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
