"""Samples, series and native histograms: numbers and their conversion."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chrysaetos.client.results import Matrix, Scalar, Vector
from chrysaetos.client.samples import Bucket, Histogram, Row

AT = 1435781451.781
WHEN = datetime(2015, 7, 1, 20, 10, 51, 781000, tzinfo=UTC)
HISTOGRAM = {"count": "3", "sum": "4.5", "buckets": [[0, "1", "2", "1"], [1, "-Inf", "+Inf", "2"]]}


def sample(value, **labels):
    return {"metric": labels, "value": [AT, value]}


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("0.1", Decimal("0.1")),
        ("123456789012345678901", Decimal("123456789012345678901")),
        ("+Inf", Decimal("Infinity")),
        ("-Inf", Decimal("-Infinity")),
        ("1e-320", Decimal("1e-320")),
        ("-0", Decimal("-0")),
    ],
)
def test_exact_numbers_keep_all_digits(text, exact):
    assert Vector([sample(text)], Decimal)[0].value == exact
    assert Vector([sample(text)], float)[0].value == float(exact)
    assert Scalar([AT, text], Decimal).value == exact


def test_nan_as_float_and_decimal():
    exact = Vector([sample("NaN")], Decimal)[0].value
    assert isinstance(exact, Decimal)
    assert exact.is_nan()
    assert math.isnan(Scalar([AT, "NaN"]).value)


def test_native_histograms():
    vector = Vector([{"metric": {}, "histogram": [AT, HISTOGRAM]}], Decimal)
    assert vector[0].value is None
    assert vector[0].time == AT
    histogram = vector[0].histogram
    assert histogram is not None
    assert (histogram.count, histogram.sum) == (Decimal(3), Decimal("4.5"))
    assert histogram.buckets == [
        Bucket(0, Decimal(1), Decimal(2), Decimal(1)),
        Bucket(1, Decimal("-Infinity"), Decimal("Infinity"), Decimal(2)),
    ]
    assert list(vector.rows()) == [Row({}, WHEN, Histogram(HISTOGRAM, Decimal))]
    matrix = Matrix([{"metric": {}, "histograms": [[AT, HISTOGRAM]], "values": [[AT, "1"]]}])
    assert len(matrix[0]) == 2
    assert matrix[0].histograms == [(AT, Histogram(HISTOGRAM, float))]
    assert [row.value for row in matrix.rows()] == [1.0, Histogram(HISTOGRAM, float)]
    assert Histogram({"count": "0", "sum": "0"}, float).buckets == []


def test_values_are_converted_when_they_are_read():
    unreadable = [sample("no number")] * 100_000
    vector = Vector(unreadable)
    assert len(vector) == 100_000
    assert vector[5].labels == {}
    with pytest.raises(ValueError, match="could not convert"):
        _ = vector[5].value
