"""The range of a range query."""

import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.tenancy.ranges import check_range


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        ("0", "11000", "1"),
        ("0", "11000.999", "1"),  # Prometheus divides whole numbers
        ("0", "11", "1ms"),
        ("5", "5", "1"),
        ("-10", "10", "1s"),
        ("0", "31536000", "1h"),
        ("2024-01-01T00:00:00Z", "2024-01-08T00:00:00+01:00", "1m"),
        ("2024-01-01T00:00:00.123456789Z", "1704067300", "0.1"),
        ("0", "1e9", "1y2w3d4h5m6s7ms"),
        (".5", "1.", "1e-1"),
        ("1700000000.123", "1700000000.123", "15"),
        ("-292273086-05-16T16:47:06Z", "-292273086-05-16T16:47:06Z", "1"),
        ("-292273086-05-16T16:47:06Z", "-9223309901257974", "1s"),
        ("292277025-08-18T07:12:54.999999999Z", "9223309901257975", "1"),
    ],
)
def test_valid_ranges_are_accepted(start, end, step):
    check_range(start, end, step)


@pytest.mark.parametrize(
    ("start", "end", "step", "message"),
    [
        ("0", "11001", "1", "11,000 points"),
        ("0", "11.001", "1ms", "11,000 points"),
        ("0", "1", "1e-9", "11,000 points"),
        ("1700000000", "2015360000", "0.000000001", "11,000 points"),
        ("1900-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "1h", "11,000 points"),
        ("0", "1e300", "1", "11,000 points"),
        ("0", "1", "0", '"step": zero or negative'),
        ("0", "1", "0s", '"step": zero or negative'),
        ("0", "1", "-1", '"step": zero or negative'),
        ("0", "1", "1e-10", '"step": zero or negative'),  # less than a nanosecond
        ("-292273086-05-16T16:47:06Z", "292277025-08-18T07:12:54.999999999Z", "292y", "11,000 points"),
        ("292277025-08-18T07:12:54.999999999Z", "-292273086-05-16T16:47:06Z", "1", '"end"'),
        ("2", "1", "1", '"end": end timestamp must not be before start time'),
        ("2024-01-01T00:00:00Z", "2023-12-31T23:59:59Z", "1", '"end"'),
        ("0", "1", "1e400", '"step".*out of bounds'),
        ("0", "1", "1e18", '"step".*out of bounds'),
        ("0", "1", "999999999999999999y", '"step".*out of bounds'),
        ("1e400", "1", "1", '"start".*out of bounds'),
        ("0", "-1e400", "1", '"end".*out of bounds'),
        ("2024-13-01T00:00:00Z", "1", "1", '"start".*out of bounds'),
        ("0", "2024-02-30T00:00:00Z", "1", '"end".*out of bounds'),
        ("0000-01-01T00:00:00Z", "1", "1", '"start".*out of bounds'),
    ],
)
def test_invalid_ranges_are_rejected_and_named(start, end, step, message):
    with pytest.raises(BadRequest, match=message):
        check_range(start, end, step)
