"""Times and durations of command-line arguments."""

import argparse
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.cli.times import TimeArgument, parse_duration, parse_time, rfc3339

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 0),
        ("-1h", -3600),
        ("3h", -3 * 3600),
        ("1h30m", -5400),
        ("now-3h", -3 * 3600),
        ("now-2d", -2 * 86400),
        ("now - 2d", -2 * 86400),
        ("now+5m", 300),
        ("+5m", 300),
        ("-1h30m", -5400),
        ("-1y1w", -372 * 86400),
        ("-1500ms", -1.5),
    ],
)
def test_relative_times(text, seconds):
    assert parse_time(text) == TimeArgument(seconds, relative=True)
    assert parse_time(text).resolve(1000.0) == 1000.0 + seconds


@pytest.mark.parametrize(
    "text",
    [
        "1795262400",
        "1795262400.0",
        "2026-11-21T12:00:00Z",
        "2026-11-21t12:00:00z",
        "2026-11-21 12:00 Z",
        "2026-11-21T12:00:00.000000000Z",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21T13:00:00+0100",
        "2026-11-21 13:00 Europe/Berlin",
        "2026-11-21T08:00:00-04:00",
        " 2026-11-21T12:00:00Z ",
    ],
)
def test_absolute_times(text):
    assert parse_time(text) == TimeArgument(NOON)
    assert parse_time(text).resolve(5.0) == NOON


def test_a_date_is_the_start_of_the_day_in_its_zone():
    assert parse_time("2026-11-21Z").seconds == NOON - 12 * 3600
    assert parse_time("2026-11-21 Europe/Berlin").seconds == NOON - 13 * 3600


def test_fractions_are_kept():
    assert parse_time("1970-01-01T00:00:01.5Z").seconds == 1.5
    assert parse_time("1.5").seconds == 1.5
    assert parse_time("1970-01-01T00:00:01.123456789Z").seconds == 1.123456


def test_the_local_zone(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_time("2026-11-21 07:00 local").seconds == NOON
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "is not a time; valid times are: now; 3h, -3h"),
        ("", "is not a time"),
        ("1x", "is not a time"),
        ("0h", "is not a time"),
        ("-1x", "is not a time"),
        ("now-", "is not a time"),
        ("-30m1h", "is not a time"),
        ("-99999999999y", "is not a time"),
        ("1e9", "is not a time"),
        ("2026-11-21T12:00:00", "has no time zone: add Z, +01:00"),
        ("2026-11-21", "has no time zone"),
        ("2026-02-30T00:00:00Z", "day is out of range"),
        ("2026-11-21T25:00:00Z", "hour must be in 0..23"),
        ("2026-11-21 12:00 Mars/Olympus", "Mars/Olympus is not a time zone"),
        ("2026-11-21 12:00 /etc", "is not a time"),
        ("2026-11-21T12:00:00+99:00", "is not a time zone"),
        ("1795262400000", "use seconds, not milliseconds"),
        ("2026-03-29 02:30 Europe/Berlin", "does not exist: the clocks were moved forward"),
        ("0000-01-01T00:00:00Z", "is not a time"),
        ("9999-12-31T23:59:59-23:00", "out of range"),
    ],
)
def test_an_invalid_time_is_rejected_with_the_reason(text, message):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse_time(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("15", 15), ("0.5", 0.5), ("250ms", 0.25)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5m", "5 m", "m", "1s1h", "five", "nan", "inf", "1e3"])
def test_an_invalid_duration_is_rejected(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a duration greater than 0"):
        parse_duration(text)


def test_times_are_formatted_in_utc():
    assert rfc3339(NOON) == "2026-11-21T12:00:00Z"
    assert rfc3339(NOON + 0.25) == "2026-11-21T12:00:00.250Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59Z"


@given(st.integers(-2_000_000_000_000, 250_000_000_000_000))
def test_a_formatted_time_can_be_parsed(milliseconds):
    assert parse_time(rfc3339(milliseconds / 1000)).seconds == pytest.approx(milliseconds / 1000, abs=0.0005)
