"""Results: entries, rows, frames."""

import math
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from chrysaetos.client.errors import MissingPackage, UnexpectedResult
from chrysaetos.client.results import Listing, Matrix, Scalar, String, Vector
from chrysaetos.client.samples import Histogram, Row

AT = 1435781451.781
WHEN = datetime(2015, 7, 1, 20, 10, 51, 781000, tzinfo=UTC)
HISTOGRAM = {"count": "3", "sum": "4.5", "buckets": [[0, "1", "2", "1"], [1, "-Inf", "+Inf", "2"]]}


def sample(value, **labels):
    return {"metric": labels, "value": [AT, value]}


def test_a_vector():
    vector = Vector([sample("1.5", __name__="up", vm="a"), sample("NaN", vm="b")], float, ["w"], ["i"])
    assert (vector.type, len(vector), vector.warnings, vector.infos) == ("vector", 2, ["w"], ["i"])
    first, second = vector
    assert (first.labels, first.name, first.value) == ({"__name__": "up", "vm": "a"}, "up", 1.5)
    assert (first.time, first.when, first.histogram) == (AT, WHEN, None)
    assert second.name == ""
    assert second.value is not None
    assert math.isnan(second.value)
    assert [one.labels for one in vector[1:]] == [{"vm": "b"}]
    assert vector[-1].labels == {"vm": "b"}
    with pytest.raises(IndexError):
        vector[2]


def test_one_or_none():
    assert Vector([]).one_or_none() is None
    found = Vector([sample("1")]).one_or_none()
    assert found is not None
    assert found.value == 1
    with pytest.raises(UnexpectedResult, match="expected one series, got 2"):
        Vector([sample("1"), sample("2")]).one_or_none()


def test_by_label():
    vector = Vector([sample("1", vm="a"), sample("2")])
    assert {name: one.value for name, one in vector.by_label("vm").items()} == {"a": 1, "": 2}
    with pytest.raises(UnexpectedResult, match="several series have zone=''"):
        vector.by_label("zone")


def test_a_matrix():
    raw: list[dict[str, Any]] = [
        {"metric": {"vm": "a"}, "values": [[AT, "1"], [AT + 60, "+Inf"]]},
        {"metric": {"vm": "b"}, "values": []},
    ]
    matrix = Matrix(raw)
    first = matrix[0]
    assert (len(matrix), len(first), matrix.type) == (2, 2, "matrix")
    assert first.values == [1, math.inf]
    assert first.times == [AT, AT + 60]
    assert first.points == [(AT, 1), (AT + 60, math.inf)]
    assert first.histograms == []
    assert matrix.by_label("vm")["b"].values == []
    assert list(matrix.rows("seconds")) == [Row({"vm": "a"}, AT, 1), Row({"vm": "a"}, AT + 60, math.inf)]


def test_scalar_and_string():
    assert list(Scalar([AT, "2"]).rows()) == [Row({}, WHEN, 2.0)]
    assert list(String([AT, "x"], ["w"]).rows("seconds")) == [Row({}, AT, "x")]
    assert (Scalar([AT, "2"]).when, String([AT, "x"]).when) == (WHEN, WHEN)
    assert String([AT, "x"], ["w"]).warnings == ["w"]


def test_representations():
    assert repr(Vector([sample("1")])) == "Vector(1 series)"
    assert repr(Vector([sample("1", a="b")])[0]) == "Sample({'a': 'b'}, 1435781451.781, 1.0)"
    assert repr(Matrix([{"metric": {}, "values": [[1, "1"]]}])[0]) == "Series({}, 1 samples)"
    assert repr(Scalar([1, "1"])) == "Scalar(1, 1.0)"
    assert repr(String([1, "x"])) == "String(1, 'x')"
    assert repr(Histogram({"count": "1", "sum": "2"}, float)) == "Histogram(count=1.0, sum=2.0, buckets=[])"


def test_a_listing_has_annotations():
    listing = Listing(["a"], ["w"], ["i"])
    assert (listing, listing.warnings, listing.infos) == (["a"], ["w"], ["i"])


def test_a_frame():
    vector = Vector([sample("1", vm="a", time="noon"), sample("2", zone="z")])
    frame = vector.to_frame()
    assert list(frame.columns) == ["vm", "label_time", "zone", "time", "value"]
    assert list(frame["value"]) == [1.0, 2.0]
    assert frame["time"][0].to_pydatetime() == WHEN
    assert next(iter(frame["label_time"])) == "noon"
    assert list(vector.to_frame("seconds")["time"]) == [AT, AT]
    assert Matrix([]).to_frame().empty


def test_a_frame_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackage, match="pip install pandas"):
        Vector([]).to_frame()
