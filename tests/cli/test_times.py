"""Times and durations as people write them."""

import argparse
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.cli.times import Moment, duration, moment, rfc3339

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("now", 0),
        ("-1h", -3600),
        ("now-2d", -2 * 86400),
        ("now - 2d", -2 * 86400),
        ("now+5m", 300),
        ("+5m", 300),
        ("-1h30m", -5400),
        ("-1y1w", -372 * 86400),
        ("-1500ms", -1.5),
    ],
)
def test_a_time_counted_from_now_moves_on_with_the_clock(text, seconds):
    assert moment(text) == Moment(seconds, relative=True)
    assert moment(text).at(1000.0) == 1000.0 + seconds


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
def test_a_fixed_time_is_the_same_in_every_form(text):
    assert moment(text) == Moment(NOON)
    assert moment(text).at(5.0) == NOON


def test_a_day_begins_where_its_zone_says():
    assert moment("2026-11-21Z").seconds == NOON - 12 * 3600
    assert moment("2026-11-21 Europe/Berlin").seconds == NOON - 13 * 3600


def test_fractions_are_kept():
    assert moment("1970-01-01T00:00:01.5Z").seconds == 1.5
    assert moment("1.5").seconds == 1.5
    assert moment("1970-01-01T00:00:01.123456789Z").seconds == 1.123456


def test_local_is_the_zone_of_this_machine(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert moment("2026-11-21 07:00 local").seconds == NOON
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "is not a time; a time is: now; -1h"),
        ("", "is not a time"),
        ("1h", "is not a time"),
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
        ("1795262400000", "seconds are meant, not milliseconds"),
        ("2026-03-29 02:30 Europe/Berlin", "does not exist: the clocks were moved forward"),
        ("0000-01-01T00:00:00Z", "is not a time"),
        ("9999-12-31T23:59:59-23:00", "out of range"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(text, message):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        moment(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("15", 15), ("0.5", 0.5), ("250ms", 0.25)],
)
def test_a_duration_is_in_seconds(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5m", "5 m", "m", "1s1h", "five", "nan", "inf", "1e3"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a duration greater than 0"):
        duration(text)


def test_a_time_is_written_in_utc():
    assert rfc3339(NOON) == "2026-11-21T12:00:00Z"
    assert rfc3339(NOON + 0.25) == "2026-11-21T12:00:00.250Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59Z"


@given(st.integers(-2_000_000_000_000, 250_000_000_000_000))
def test_what_is_written_can_be_given_again(milliseconds):
    assert moment(rfc3339(milliseconds / 1000)).seconds == pytest.approx(milliseconds / 1000, abs=0.0005)
