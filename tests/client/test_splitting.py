"""Long ranges in pieces. That the result is that of the whole is asked of a real Prometheus in tests/e2e."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.results import Matrix
from chrysaetos.client.splitting import merge, pieces, pinned


def grid(start, end, step):
    return list(range(start, end + 1, step))


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**5), st.integers(1, 5000), st.integers(1, 50))
def test_the_pieces_are_the_whole(start, length, step, points):
    parts = [grid(first, last, step) for first, last in pieces(start, start + length, step, points)]
    assert [time for part in parts for time in part] == grid(start, start + length, step)
    assert max(map(len, parts)) <= points
    assert all(len(part) == points for part in parts[:-1])


def series(values, **labels):
    return {"metric": labels, "values": values}


def test_series_are_put_together():
    first = Matrix([series([[1, "1"]], b="x"), series([[1, "2"]], a="x")], float, ["w"], ["i"])
    second = Matrix([series([[2, "3"]], a="x"), series([[2, "4"]], a="w")], float, ["w", "v"])
    whole = merge([first, second], float)
    assert whole.raw == [
        series([[2, "4"]], a="w"),
        series([[1, "2"], [2, "3"]], a="x"),
        series([[1, "1"]], b="x"),
    ]
    assert (whole.warnings, whole.infos) == (["w", "v"], ["i"])


def test_a_series_may_turn_into_histograms():
    histogram = {"count": "1", "sum": "1"}
    first = Matrix([series([[1, "1"]], a="x")])
    second = Matrix([{"metric": {"a": "x"}, "histograms": [[2, histogram]]}])
    whole = merge([first, second, Matrix([series([[3, "1"]], a="x")])], float)
    assert whole.raw == [
        {"metric": {"a": "x"}, "values": [[1, "1"], [3, "1"]], "histograms": [[2, histogram]]}
    ]


@pytest.mark.parametrize(
    ("query", "pinned_query"),
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
def test_what_depends_on_the_range_is_written_as_it_is(query, pinned_query):
    assert pinned(query, 10_000, 90_500) == pinned_query


@pytest.mark.parametrize(
    "query",
    [
        "rate(up[range()])",
        "up offset (range() / 2)",
        "max_over_time(up[1h:range()])",
        "up[5m] @ end() nonsense",
    ],
)
def test_what_cannot_be_written_otherwise_is_refused(query):
    with pytest.raises(InvalidArgument, match="cannot be split"):
        pinned(query, 0, 1000)
