"""The table of functions, beside Prometheus 3.16's ``functions.go`` written out."""

import re

from chrysaetos.promql.functions import FUNCTIONS

# name, types of the arguments, how few and how many a call may have, type of the result
TABLE = """
    abs(vector) 1 1 vector
    absent(vector) 1 1 vector
    absent_over_time(matrix) 1 1 vector
    acos(vector) 1 1 vector
    acosh(vector) 1 1 vector
    asin(vector) 1 1 vector
    asinh(vector) 1 1 vector
    atan(vector) 1 1 vector
    atanh(vector) 1 1 vector
    avg_over_time(matrix) 1 1 vector
    ceil(vector) 1 1 vector
    changes(matrix) 1 1 vector
    clamp(vector scalar scalar) 3 3 vector
    clamp_max(vector scalar) 2 2 vector
    clamp_min(vector scalar) 2 2 vector
    cos(vector) 1 1 vector
    cosh(vector) 1 1 vector
    count_over_time(matrix) 1 1 vector
    day_of_month(vector) 0 1 vector
    day_of_week(vector) 0 1 vector
    day_of_year(vector) 0 1 vector
    days_in_month(vector) 0 1 vector
    deg(vector) 1 1 vector
    delta(matrix) 1 1 vector
    deriv(matrix) 1 1 vector
    double_exponential_smoothing(matrix scalar scalar) 3 3 vector
    end() 0 0 scalar
    exp(vector) 1 1 vector
    first_over_time(matrix) 1 1 vector
    floor(vector) 1 1 vector
    histogram_avg(vector) 1 1 vector
    histogram_count(vector) 1 1 vector
    histogram_fraction(scalar scalar vector) 3 3 vector
    histogram_quantile(scalar vector) 2 2 vector
    histogram_quantiles(vector string scalar scalar) 3 12 vector
    histogram_stddev(vector) 1 1 vector
    histogram_stdvar(vector) 1 1 vector
    histogram_sum(vector) 1 1 vector
    holt_winters(matrix scalar scalar) 3 3 vector
    hour(vector) 0 1 vector
    idelta(matrix) 1 1 vector
    increase(matrix) 1 1 vector
    info(vector vector) 1 2 vector
    integral(matrix scalar) 1 2 vector
    irate(matrix) 1 1 vector
    label_join(vector string string string) 3 any vector
    label_replace(vector string string string string) 5 5 vector
    last_over_time(matrix) 1 1 vector
    ln(vector) 1 1 vector
    log10(vector) 1 1 vector
    log2(vector) 1 1 vector
    mad_over_time(matrix) 1 1 vector
    max_of(scalar scalar) 2 2 scalar
    max_over_time(matrix) 1 1 vector
    min_of(scalar scalar) 2 2 scalar
    min_over_time(matrix) 1 1 vector
    minute(vector) 0 1 vector
    month(vector) 0 1 vector
    pi() 0 0 scalar
    predict_linear(matrix scalar) 2 2 vector
    present_over_time(matrix) 1 1 vector
    quantile_over_time(scalar matrix) 2 2 vector
    rad(vector) 1 1 vector
    range() 0 0 scalar
    rate(matrix) 1 1 vector
    resets(matrix) 1 1 vector
    round(vector scalar) 1 2 vector
    scalar(vector) 1 1 scalar
    sgn(vector) 1 1 vector
    sin(vector) 1 1 vector
    sinh(vector) 1 1 vector
    sort(vector) 1 1 vector
    sort_by_label(vector string) 1 any vector
    sort_by_label_desc(vector string) 1 any vector
    sort_desc(vector) 1 1 vector
    sqrt(vector) 1 1 vector
    start() 0 0 scalar
    start_timestamp(vector) 1 1 vector
    stddev_over_time(matrix) 1 1 vector
    stdvar_over_time(matrix) 1 1 vector
    step() 0 0 scalar
    sum_over_time(matrix) 1 1 vector
    tan(vector) 1 1 vector
    tanh(vector) 1 1 vector
    time() 0 0 scalar
    timestamp(vector) 1 1 vector
    ts_of_first_over_time(matrix) 1 1 vector
    ts_of_last_over_time(matrix) 1 1 vector
    ts_of_max_over_time(matrix) 1 1 vector
    ts_of_min_over_time(matrix) 1 1 vector
    vector(scalar) 1 1 vector
    year(vector) 0 1 vector
"""


def test_the_table_is_prometheus_own():
    expected = {
        name: (tuple(args.split()), int(least), None if most == "any" else int(most), returns)
        for name, args, least, most, returns in re.findall(r"(\w+)\((.*?)\) (\d+) (\w+) (\w+)", TABLE)
    }
    assert len(expected) == 92
    assert {name: (f.args, f.least, f.most, f.returns) for name, f in FUNCTIONS.items()} == expected
    assert all(name == function.name for name, function in FUNCTIONS.items())
