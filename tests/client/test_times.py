"""Times and durations in milliseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.times import aware, duration_milliseconds, milliseconds, seconds_text

EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (0, 0),
        (1.5, 1500),
        (1435781451.781, 1435781451781),
        (-1, -1000),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 2, 0, 0, 1000, tzinfo=EAST), 1),
        (datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), 1767225600123),
    ],
)
def test_a_time(time, expected):
    assert milliseconds(time) == expected


def test_a_time_without_a_zone_is_rejected():
    with pytest.raises(InvalidArgument, match=r"start has no time zone: 2026-01-01T00:00:00; use an aware"):
        milliseconds(datetime(2026, 1, 1), "start")  # the mistake under test


@pytest.mark.parametrize("time", ["now", None, True, float("nan"), float("inf"), timedelta(1)])
def test_other_types_are_rejected(time):
    with pytest.raises(InvalidArgument, match="an aware datetime or seconds since the epoch"):
        milliseconds(time)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (15, 15000),
        (0.25, 250),
        (timedelta(minutes=5), 300_000),
        ("5m", 300_000),
        ("1h30m", 5_400_000),
        ("1y2w3d4h5m6s7ms", 31536000000 + 1209600000 + 259200000 + 14400000 + 300000 + 6000 + 7),
        ("90ms", 90),
    ],
)
def test_a_duration(duration, expected):
    assert duration_milliseconds(duration) == expected


@pytest.mark.parametrize(
    "duration",
    [
        *(
            0,
            -1,
            0.0001,
            "0s",
            "",
            "5",
            "5 m",
            "m",
            "5m1h",
            "5m5m",
            "1.5h",
            "\u0665m",
            True,
            None,
            "9" * 30 + "y",
        ),
        *(float("inf"), timedelta(0), "300y", "1m\n"),
    ],
)
def test_an_invalid_duration_is_rejected(duration):
    with pytest.raises(InvalidArgument):
        duration_milliseconds(duration, "step")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1500, "1.5"), (1, "0.001"), (60_000, "60"), (-1, "-0.001"), (-60_500, "-60.5")],
)
def test_milliseconds_as_seconds(value, text):
    assert seconds_text(value) == text


def test_seconds_as_an_aware_datetime():
    assert aware(1435781451.781) == datetime(2015, 7, 1, 20, 10, 51, 781000, tzinfo=UTC)
