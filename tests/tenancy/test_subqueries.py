"""The points of subqueries."""

import pytest

from chrysaetos.errors import BadRequest
from chrysaetos.promql.parser import parse
from chrysaetos.tenancy.subqueries import check_subqueries, find_subqueries

DAY = 86_400


def check(text, length=0, step=0):
    check_subqueries(find_subqueries(parse(text)), length, step)


@pytest.mark.parametrize(
    ("text", "length", "step"),
    [
        ("x", 290 * 365 * DAY, 1e6),
        ("a:b[10y]", 0, 0),
        ("max_over_time(rate(x[5m])[1y:15s])", 0, 0),
        ("max_over_time(rate(x[5m])[9y:])", 0, 0),
        ("x[5000s:1ms]", 0, 0),
        ("max_over_time(x[1h:15s])", 365 * DAY, DAY),
        ("sum_over_time(max_over_time(x[30d:1m])[30d:1m])", 0, 0),
        ("x[1s*10:max_of(step(),1m)]", 365 * DAY, DAY),
        ("x[range():step()]", 365 * DAY, DAY),
        ("x[9y:0.0001]", 0, 0),
        ("x[-(1h-10h)%7h/2^2+min_of(1h,+5m):1s]", 0, 0),
    ],
)
def test_a_query_within_the_limit_is_accepted(text, length, step):
    check(text, length, step)


@pytest.mark.parametrize(
    ("text", "length", "step"),
    [
        ("irate(up[5m])[1y:1ms]", 0, 0),
        ("x[5001s:1ms]", 0, 0),
        ("sum_over_time(x[2500s:1ms]) + sum_over_time(y[2501s:1ms])", 0, 0),
        ("x[1s:1ms]", 5000, 15),
        ("sum_over_time(x[1s:1ms])", 290 * 365 * DAY, 365 * DAY),
        ("sum_over_time(max_over_time(x[1ms:1ms])[5000s:1s])", 0, 0),
        ("sum_over_time((1 + max_over_time(abs(x)[1s:1ms]))[1h:1m])", 3000, 15),
        ("x[200y:]", 0, 0),
        ("x[200y:0.0001]", 0, 0),
        ("x[10^9:1s]", 0, 0),
        ("x[1y:min_of(1m,step()/1e4)]", 60, 15),
        ("x[range()*10:1ms]", 3000, 15),
        ("x[5001s:-1ms+2ms]", 0, 0),
    ],
)
def test_a_query_with_too_many_points_is_refused(text, length, step):
    with pytest.raises(BadRequest, match="more than 5,000,000 points per timeseries"):
        check(text, length, step)


@pytest.mark.parametrize(
    "text", ["x[-range():1m]", "x[1m/step():1m]", "x[1m:10^400]", "x[(1m-2m)^0.5:1m]", "x[1m:1e9*1e9]"]
)
def test_a_duration_that_has_no_value_is_refused(text):
    with pytest.raises(BadRequest, match="duration of a subquery"):
        check(text, 60, 0)


def test_a_long_duration_expression_and_deep_nesting_are_read():
    check(f"x[{'+'.join(['1s'] * 3000)}:1s]")
    nested = "x"
    for _ in range(50):
        nested = f"sum_over_time({nested}[1s:1s])"
    check(nested)
