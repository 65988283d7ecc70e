"""Scale and labels of a plot's axes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.cli.axes import Axis, format_short, time_labels, value_labels

NOON = 1_795_262_400.0
HOUR, DAY = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (9999, "9999"),
        (12345, "12.35k"),
        (-2.5e9, "-2.5G"),
        (1 / 3, "0.3333"),
        (1e-9, "1e-09"),
        (1e300, "1e+300"),
    ],
)
def test_values_are_abbreviated(value, text):
    assert format_short(value) == text


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (0, 1, ("1.00", "0.00")),
        (2e9, 4e9, ("4.00G", "2.00G")),
        (1_000_000, 1_000_001, ("1000001.00", "1000000.00")),
        (-1.7e308, 1.7e308, ("1.7e+308", "-1.7e+308")),
        (0, 1e-12, ("1e-12", "0")),
        (-100, 100, ("100", "-100")),
    ],
)
def test_the_first_and_last_label_differ(low, high, ends):
    labels = value_labels(Axis(low, high), 17)
    assert (labels[0], labels[-1]) == ends
    assert len(labels) == 17
    assert 3 <= sum(map(bool, labels)) <= 6


@given(
    st.floats(-1e300, 1e300),
    st.floats(1e-6, 1e6).map(lambda part: 1 + part),
    st.integers(4, 200),
)
def test_every_value_axis_has_several_labels(low, factor, rows):
    high = low * factor if low > 0 else low / factor + 1
    labels = [label for label in value_labels(Axis(min(low, high - 1e-3), high), rows) if label]
    assert len(labels) >= 2


@pytest.mark.parametrize(
    ("span", "first"),
    [
        (300, "12:00:00"),
        (HOUR, "12:00"),
        (7 * DAY, "11-23 00:00"),
        (400 * DAY, "2026-12-13"),
    ],
)
def test_time_labels_are_round(span, first):
    labels = time_labels(Axis(NOON, NOON + span), 100)
    assert len(labels) >= 2
    assert labels[0][1] == first
    gaps = {later - earlier for (earlier, _), (later, _) in pairwise(labels)}
    assert max(gaps) - min(gaps) <= 1
    assert all(column + len(label) <= 100 for column, label in labels)
    assert all(label.endswith(("0", "5")) for _, label in labels if ":" in label)


@given(st.floats(0, 4e9), st.floats(1, 3e9), st.integers(10, 500))
def test_time_labels_never_overlap(start, span, columns):
    end = 0
    for column, label in time_labels(Axis(start, start + span), columns):
        assert column >= end
        end = column + len(label) + 1
    assert end <= columns + 1


def test_position_and_value_are_inverse():
    axis = Axis(-1.7e308, 1.7e308)
    assert axis.position(0.0) == 0.5
    assert axis.value(0.5) == 0.0


def test_the_smallest_range_of_floats_has_positions():
    assert 0.0 <= Axis(0.0, 5e-324).position(5e-324) <= 1.0
