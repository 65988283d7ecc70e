"""Types."""

import pytest
from tests.promql.carets import assert_refused

from chrysaetos.promql.checks import refuses_empty
from chrysaetos.promql.parser import parse


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        *(
            ("1", "scalar"),
            ("1 + 1", "scalar"),
            ("1 == bool 2", "scalar"),
            ("-1", "scalar"),
            ("-(1)", "scalar"),
            ("time()", "scalar"),
        ),
        *(
            ("foo", "vector"),
            ("foo + 1", "vector"),
            ("1 < foo", "vector"),
            ("foo and foo", "vector"),
            ("-foo", "vector"),
        ),
        *(("foo == bool foo", "vector"), ("(foo)", "vector"), ("sum(foo)", "vector"), ("abs(foo)", "vector")),
        *(
            ("foo[5m]", "matrix"),
            ("foo[5m:]", "matrix"),
            ("(foo[5m])", "matrix"),
            ('"a"', "string"),
            ('("a")', "string"),
        ),
        *(
            ("scalar(foo)", "scalar"),
            ("1 + on() foo", "vector"),
            ("foo </ 1", "vector"),
            ("1 atan2 2", "scalar"),
        ),
    ],
)
def test_the_type_of_an_expression(text, type_):
    assert parse(text).expr.type == type_


@pytest.mark.parametrize(
    "text",
    [
        *(
            "rate(foo[5m:])",
            "rate((foo[5m]))",
            "round(foo)",
            "round(foo, 1)",
            "hour()",
            "hour(foo)",
            'label_join(foo, "a", "b")',
        ),
        *(
            'label_join(foo, "a", "b", "c", "d", "e")',
            "sort_by_label(foo)",
            'count_values("a", foo)',
            "topk(scalar(foo), foo)",
        ),
        *(
            'histogram_quantiles(foo, "a", 1)',
            "info(foo)",
            "info(foo, {})",
            'info(foo, {a="b"})',
            'info(foo, {"a"} offset 5m)',
        ),
        *(
            "foo * on(a) group_left(b) bar",
            "foo * ignoring(a) group_left(a) bar",
            "foo + fill(1) bar",
            "foo and on(a) bar",
        ),
        *(
            "max_of(1, 2)",
            "start() + end() + step() + range()",
            "quantile(0.9, foo)",
            "limit_ratio(-0.5, foo)",
            "(1 == bool 1) + 1",
        ),
    ],
)
def test_valid_types_are_accepted(text):
    parse(text)


@pytest.mark.parametrize(
    ("matcher", "refuses"),
    [
        *(
            ('a="b"', True),
            ('a=""', False),
            ("a=``", False),
            ('a!="b"', False),
            ('a!=""', True),
            (r'a="\x00"', True),
        ),
        *(
            ('a=~"b"', True),
            ('a=~".*"', False),
            ('a!~"b"', False),
            ('a!~".*"', True),
            ('a=~""', False),
            ('"b"', True),
            ('""', False),
        ),
    ],
)
def test_which_matchers_require_a_label(matcher, refuses):
    (selector,) = parse(f"foo + {{{matcher},b='c'}}").selectors[1:]
    assert refuses_empty(selector.matchers[0]) is refuses


@pytest.mark.parametrize(
    "text",
    ['{a="b"}', '{a=~"b"}', '{a!=""}', '{a!~".*"}', '{"a"}', '{a="",b="c"}', '{b="c",a=~".*"}', "foo{}"],
)
def test_one_matcher_must_require_a_label(text):
    parse(text)


REFUSED = [
    ('1 + "a"', "binary expression must contain only scalars and instant vectors, not a string", "    ^^^"),
    ('"a" + 1', "binary expression must contain only scalars and instant vectors, not a string", "^^^"),
    (
        "foo + foo[5m]",
        "binary expression must contain only scalars and instant vectors, not a range vector",
        "      ^^^^^^^",
    ),
    (
        "foo[5m] + 1",
        "binary expression must contain only scalars and instant vectors, not a range vector",
        "^^^^^^^",
    ),
    ("1 == 2", "comparisons between scalars must use the bool modifier", " ^^^^"),
    ("1 + bool 2", "bool modifier can only be used on comparison operators", " ^^^^^^^^"),
    ("foo + bool bar", "bool modifier can only be used on comparison operators", "   ^^^^^^^^"),
    ("foo and bool bar", "bool modifier can only be used on comparison operators", "   ^^^^^^^^^^"),
    ("foo and 1", 'set operator "and" not allowed with a scalar', "^^^^^^^^^"),
    ("1 or foo", 'set operator "or" not allowed with a scalar', "^^^^^^^^"),
    ("1 unless 1", 'set operator "unless" not allowed with a scalar', "^^^^^^^^^^"),
    ("1 + on(a) foo", "vector matching only allowed between instant vectors", "^^^^^^^^^^^^^"),
    ("foo * on(a) 1", "vector matching only allowed between instant vectors", "^^^^^^^^^^^^^"),
    ("foo + fill(1) 1", "filling in missing series only allowed between instant vectors", "^^^^^^^^^^^^^^^"),
    ("foo and fill(1) bar", "filling in missing series not allowed for set operators", "^^^^^^^^^^^^^^^^^^^"),
    (
        "foo and on(a) group_left() bar",
        'no grouping allowed for the "and" operation',
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "foo * on(a) group_left(a) bar",
        "label 'a' must not occur in the on and the group clause at once",
        "   ^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    ('-"a"', "unary expression only allowed on a scalar or an instant vector, not on a string", "^^^^"),
    (
        "+foo[5m]",
        "unary expression only allowed on a scalar or an instant vector, not on a range vector",
        "^^^^^^^^",
    ),
    (
        "-foo[5m:]",
        "unary expression only allowed on a scalar or an instant vector, not on a range vector",
        "^^^^^^^^^",
    ),
    ("sum(1)", "expected an instant vector in an aggregation, not a scalar", "    ^"),
    ("sum(foo[5m])", "expected an instant vector in an aggregation, not a range vector", "    ^^^^^^^"),
    ('sum("a")', "expected an instant vector in an aggregation, not a string", "    ^^^"),
    ('topk("a", foo)', "expected a scalar as the parameter of topk, not a string", "     ^^^"),
    ("topk(foo, foo)", "expected a scalar as the parameter of topk, not an instant vector", "     ^^^"),
    (
        "count_values(1, foo)",
        "expected a string as the parameter of count_values, not a scalar",
        "             ^",
    ),
    (
        "quantile(foo, foo)",
        "expected a scalar as the parameter of quantile, not an instant vector",
        "         ^^^",
    ),
    ("1[5m:]", "subquery is only allowed on an instant vector, not on a scalar", "^^^^^^"),
    ("foo[5m][5m:]", "subquery is only allowed on an instant vector, not on a range vector", "^^^^^^^^^^^^"),
    ('"a"[5m:]', "subquery is only allowed on an instant vector, not on a string", "^^^^^^^^"),
    ("rate(foo)", "expected a range vector as argument 1 of rate(), got an instant vector", "     ^^^"),
    ("rate(1)", "expected a range vector as argument 1 of rate(), got a scalar", "     ^"),
    ("rate(foo[5m], 1)", "expected 1 argument(s) in a call of rate(), got 2", "^^^^^^^^^^^^^^^^"),
    ("rate()", "expected 1 argument(s) in a call of rate(), got 0", "^^^^^^"),
    ('abs("x")', "expected an instant vector as argument 1 of abs(), got a string", "    ^^^"),
    ("round(foo, 1, 2)", "expected 1 to 2 argument(s) in a call of round(), got 3", "^^^^^^^^^^^^^^^^"),
    ("round()", "expected 1 to 2 argument(s) in a call of round(), got 0", "^^^^^^^"),
    ("time(1)", "expected 0 argument(s) in a call of time(), got 1", "^^^^^^^"),
    (
        'label_join(foo, "a")',
        "expected at least 3 argument(s) in a call of label_join(), got 2",
        "^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        'label_join(foo, "a", "b", 1)',
        "expected a string as argument 4 of label_join(), got a scalar",
        "                          ^",
    ),
    (
        'label_replace(foo, 1, "a", "b", "c")',
        "expected a string as argument 2 of label_replace(), got a scalar",
        "                   ^",
    ),
    ("vector(foo)", "expected a scalar as argument 1 of vector(), got an instant vector", "       ^^^"),
    ("scalar(1)", "expected an instant vector as argument 1 of scalar(), got a scalar", "       ^"),
    (
        'histogram_quantiles(foo, "a")',
        "expected 3 to 12 argument(s) in a call of histogram_quantiles(), got 2",
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    ("info()", "expected 1 to 2 argument(s) in a call of info(), got 0", "^^^^^^"),
    ("info(foo, 1)", "expected an instant vector as argument 2 of info(), got a scalar", "          ^"),
    ("info(foo, foo)", "expected label matchers in braces as argument 2 of info()", "          ^^^"),
    (
        'info(foo, ({a="b"}))',
        "expected label matchers in braces as argument 2 of info()",
        "          ^^^^^^^^^",
    ),
    (
        'info(foo, {a="b"}[5m])',
        "expected an instant vector as argument 2 of info(), got a range vector",
        "          ^^^^^^^^^^^",
    ),
    (
        'info(foo, {a="b"}, {c="d"})',
        "expected 1 to 2 argument(s) in a call of info(), got 3",
        "^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    ("info(1)", "expected an instant vector as argument 1 of info(), got a scalar", "     ^"),
    ("clamp(foo, 1)", "expected 3 argument(s) in a call of clamp(), got 2", "^^^^^^^^^^^^^"),
    (
        "day_of_week(1)",
        "expected an instant vector as argument 1 of day_of_week(), got a scalar",
        "            ^",
    ),
    ("{}", "vector selector must contain at least one non-empty matcher", "^^"),
    ('{a=""}', "vector selector must contain at least one non-empty matcher", "^^^^^^"),
    ('{a=~".*"}', "vector selector must contain at least one non-empty matcher", "^^^^^^^^^"),
    ('{a!="b"}', "vector selector must contain at least one non-empty matcher", "^^^^^^^^"),
    ('{a!~".+"}', "vector selector must contain at least one non-empty matcher", "^^^^^^^^^"),
    ('{__name__=~".*"}', "vector selector must contain at least one non-empty matcher", "^^^^^^^^^^^^^^^^"),
    ("foo{} + {}", "vector selector must contain at least one non-empty matcher", "        ^^"),
    (
        "info(foo, {}) + {}",
        "vector selector must contain at least one non-empty matcher",
        "                ^^",
    ),
    ('foo{__name__="bar"}', "metric name must not be set twice", "^^^^^^^^^^^^^^^^^^^"),
    ('foo{__name__!~"x"}', "metric name must not be set twice", "^^^^^^^^^^^^^^^^^^"),
    ('sum(foo, bar) == "a"', "wrong number of arguments for sum, expected 1, got 2", "^^^^^^^^^^^^^"),
    ("1 == 2 +", "unexpected end of input, expected an expression", "        ^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_type_errors_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)
