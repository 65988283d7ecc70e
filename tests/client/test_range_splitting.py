"""Splitting long ranges. That the merged result equals that of one query is tested in tests/e2e."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.range_splitting import merge, resolve_range_functions, split_range
from chrysaetos.client.results import Matrix


def grid(start, end, step):
    return list(range(start, end + 1, step))


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**5), st.integers(1, 5000), st.integers(1, 50))
def test_the_parts_cover_the_range(start, length, step, points):
    parts = [grid(first, last, step) for first, last in split_range(start, start + length, step, points)]
    assert [time for part in parts for time in part] == grid(start, start + length, step)
    assert max(map(len, parts)) <= points
    assert all(len(part) == points for part in parts[:-1])


def series(values, **labels):
    return {"metric": labels, "values": values}


def test_series_are_merged():
    first = Matrix([series([[1, "1"]], b="x"), series([[1, "2"]], a="x")], float, ["w"], ["i"])
    second = Matrix([series([[2, "3"]], a="x"), series([[2, "4"]], a="w")], float, ["w", "v"])
    whole = merge([first, second], float)
    assert whole.raw == [
        series([[2, "4"]], a="w"),
        series([[1, "2"], [2, "3"]], a="x"),
        series([[1, "1"]], b="x"),
    ]
    assert (whole.warnings, whole.infos) == (["w", "v"], ["i"])


def test_a_series_may_change_to_histograms():
    histogram = {"count": "1", "sum": "1"}
    first = Matrix([series([[1, "1"]], a="x")])
    second = Matrix([{"metric": {"a": "x"}, "histograms": [[2, histogram]]}])
    whole = merge([first, second, Matrix([series([[3, "1"]], a="x")])], float)
    assert whole.raw == [
        {"metric": {"a": "x"}, "values": [[1, "1"], [3, "1"]], "histograms": [[2, histogram]]}
    ]


@pytest.mark.parametrize(
    ("query", "resolved"),
    [
        ("up", "up"),
        ("up{range='end'}", "up{range='end'}"),
        ("up @ end()", "up @ 90.5"),
        ("up @ start ( )", "up @ 10"),
        ("rate(up[5m] @ end() offset 1m) / up @ start()", "rate(up[5m] @ 90.5 offset 1m) / up @ 10"),
        ("max_over_time(up[1h:] @ end())", "max_over_time(up[1h:] @ 90.5)"),
        ("up @ 5 + sum(end)", "up @ 5 + sum(end)"),
        ("time() - start() + -end() * range()", "time() - (10) + -(90.5) * (80.5)"),
    ],
)
def test_range_functions_are_replaced_by_their_values(query, resolved):
    assert resolve_range_functions(query, 10_000, 90_500) == resolved


@pytest.mark.parametrize(
    "query",
    [
        "rate(up[range()])",
        "up offset (range() / 2)",
        "max_over_time(up[1h:range()])",
        "up[5m] @ end() nonsense",
    ],
)
def test_a_query_that_cannot_be_split_is_rejected(query):
    with pytest.raises(InvalidArgument, match="split"):
        resolve_range_functions(query, 0, 1000)
