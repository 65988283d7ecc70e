import re

import pytest

from chrysaetos.promql.units import DURATION, MAX_MILLISECONDS, duration_milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0s", 0),
        ("1ms", 1),
        ("1s", 1_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1y", 31_536_000_000),
        ("1h30m", 5_400_000),
        ("2m3ms", 120_003),
        ("1y2w3d4h5m6s7ms", 33_019_506_007),
        (f"{'0' * 5000}5m", 300_000),
        (f"{MAX_MILLISECONDS}ms", MAX_MILLISECONDS),
    ],
)
def test_a_duration(text, milliseconds):
    assert duration_milliseconds(text) == milliseconds
    assert re.fullmatch(DURATION, text)


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5M", "5x", "5m1h", "5m5m", "-5m", "1.5h", "5 m", "5m ", "5min", "\u0665m", "5ms5m"],
)
def test_a_text_that_is_not_a_duration(text):
    with pytest.raises(ValueError, match="is not a duration such as 5m or 1h30m"):
        duration_milliseconds(text)


@pytest.mark.parametrize("text", ["293y", f"{MAX_MILLISECONDS + 1}ms", f"{'9' * 5000}s"])
def test_a_duration_that_is_too_long(text):
    with pytest.raises(OverflowError, match="longer than Prometheus can store"):
        duration_milliseconds(text)
