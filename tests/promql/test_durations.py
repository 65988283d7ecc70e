"""Numbers, durations, and the arithmetic of durations."""

import math

import pytest
from tests.promql.carets import assert_refused
from tests.promql.parsing import parse_as

from chrysaetos.promql import durations
from chrysaetos.promql.ast import Binary, MatrixSelector, Subquery, VectorSelector
from chrysaetos.promql.cursor import Cursor
from chrysaetos.promql.tokens import END, tokenize


def value(text):
    cursor = Cursor(tokenize(text, limit=100), depth=9)
    result = durations.signed_number(cursor)
    assert cursor.kinds[cursor.index] == END
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            ("0", 0),
            ("42", 42),
            ("1_000", 1000),
            ("1.5", 1.5),
            (".5", 0.5),
            ("5.", 5),
            ("1e3", 1000),
            ("1E-1", 0.1),
        ),
        *(
            ("0x1F", 31),
            ("0X_ff", 255),
            ("0x7fffffffffffffff", 2.0**63),
            ("010", 8),
            ("0_17", 15),
            ("08", 8),
            ("019", 19),
        ),
        *(
            ("9223372036854775808", 2.0**63),
            ("01777777777777777777777", 1777777777777777777777.0),
            ("1e308", 1e308),
        ),
        *(
            ("inf", math.inf),
            ("INF", math.inf),
            ("-inf", -math.inf),
            ("1e-999", 0),
            ("+5", 5),
            ("-5", -5),
            ("- 5", -5),
        ),
        *(
            ("1ms", 0.001),
            ("1s", 1),
            ("1m", 60),
            ("1h", 3600),
            ("1d", 86400),
            ("1w", 604800),
            ("1y", 31536000),
        ),
        *(("1h30m", 5400), ("1y1w1d1h1m1s1ms", 32230861.001), ("0s", 0), ("-5m", -300), ("0001m", 60)),
        *(
            ("9223372036854ms", 9223372036.854),
            ("00000000000000000000000000001s", 1),
            ("000000000000000000000000000s", 0),
        ),
    ],
)
def test_values(text, expected):
    assert value(text) == expected


def test_nan_is_a_valid_duration():
    assert math.isnan(value("NaN"))


@pytest.mark.parametrize("text", ["1e309", "0x8000000000000000", "9223372036855ms", "293y", "9" * 40 + "ms"])
def test_values_out_of_range(text):
    kind = "number" if text[-1].isdigit() else "duration"
    assert_refused(text, f"{kind} out of range", "^" * min(len(text), 40), value)


@pytest.mark.parametrize(
    "text",
    ["foo[5m]", "foo[ 5m ]", "foo[300]", "foo[0x1]", "foo[.5]", "foo[+5m]", "foo[--5m]", "foo[9223372036]"],
)
def test_a_literal_range_has_a_value(text):
    seconds = parse_as(MatrixSelector, text).range.seconds
    assert seconds is not None
    assert seconds > 0


@pytest.mark.parametrize(
    "text",
    [
        *(
            "5m*2",
            "5m+1-2",
            "2^3^4",
            "(5m)",
            "((5m))",
            "step()",
            "range()",
            "-step()",
            "5m/2%3",
            "max_of(1,2)",
            "min_of(5m,-1)",
        ),
        *(
            "STEP ( )",
            "Max_Of((1),step())",
            "5m*-1",
            "5m--1",
            "(0)",
            "-(1)",
            "5m/(0)",
            "5m/-1",
            "1/step()",
            "2^-1",
            "-2^2",
        ),
        *("max_of(step(),5m)*2", "5m # c\n *2"),
    ],
)
def test_an_expression_has_no_value(text):
    assert parse_as(MatrixSelector, f"foo[{text}]").range.seconds is None
    step = parse_as(Subquery, f"foo[1:{text}]").step
    assert step is not None
    assert step.seconds is None


@pytest.mark.parametrize(
    ("text", "end"),
    [
        *(
            ("foo offset 5m", 13),
            ("foo offset -5m", 14),
            ("foo offset - 5m", 15),
            ("foo offset +5m", 14),
            ("foo offset 0", 12),
        ),
        *(
            ("foo offset step()", 17),
            ("foo offset -range()", 19),
            ("foo offset max_of(1,2)", 22),
            ("foo offset -min_of(1,2)", 23),
        ),
        *(
            ("foo offset (5m)", 15),
            ("foo offset -(5m)", 16),
            ("foo offset (5m)*2", 17),
            ("foo offset (5m+1)^2^3", 21),
        ),
        *(
            ("foo offset --5m", 15),
            ("foo offset --5m*2", 17),
            ("foo offset +-5m", 15),
            ("foo offset -(5m+1)", 18),
        ),
    ],
)
def test_the_whole_expression_is_the_offset(text, end):
    node = parse_as(VectorSelector, text)
    assert node.offset is not None
    assert node.end == node.offset.end == end == len(text)


@pytest.mark.parametrize(
    ("text", "op"),
    [
        *(
            ("foo offset 5m * 2", "*"),
            ("foo offset -2^2", "^"),
            ("foo offset step() + 1", "+"),
            ("foo offset -step()^0", "^"),
        ),
        *(
            ("foo offset -(5m)^2", "^"),
            ("foo offset max_of(1,2) - 1", "-"),
            ("foo offset 5m - 1", "-"),
            ("foo offset 5m / foo", "/"),
        ),
    ],
)
def test_an_operator_after_the_offset_is_not_part_of_it(text, op):
    assert parse_as(Binary, text).op == op


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("-5m", -300),
        ("+5m", 300),
        ("--5m", 300),
        ("0", 0),
        ("1.5", 1.5),
        ("-0x10", -16),
        ("(5m)", None),
        ("-(5m)", None),
    ],
)
def test_value_of_an_offset(text, seconds):
    offset = parse_as(VectorSelector, f"foo offset {text}").offset
    assert offset is not None
    assert offset.seconds == seconds


REFUSED = [
    ("foo[0]", "duration must be greater than 0", "    ^"),
    ("foo[0s]", "duration must be greater than 0", "    ^^"),
    ("foo[-5m]", "duration must be greater than 0", "    ^^^"),
    ("foo[5m", "unexpected end of input inside brackets", "      ^"),
    ("foo[]", "unexpected ']' in a duration, expected a number, a duration, step() or range()", "    ^"),
    ("foo[:]", "unexpected character in a duration: ':'", "    ^"),
    ("foo[5m:0s]", "duration must be greater than 0", "       ^^"),
    ("foo[5m 5m]", 'unexpected duration \'5m\' in subquery or range, expected ":" or "]"', "       ^^"),
    (
        "foo[5m+]",
        "unexpected ']' in a duration, expected a number, a duration, step() or range()",
        "       ^",
    ),
    ("foo[(5m]", "unexpected ']' in a duration expression, expected \")\"", "       ^"),
    ("foo[5m)]", 'unexpected \')\' in subquery or range, expected ":" or "]"', "      ^"),
    ("foo[step]", "unexpected ']' in a duration expression, expected \"(\"", "        ^"),
    ("foo[step(]", "unexpected ']' in a duration expression, expected \")\"", "         ^"),
    ("foo[max_of(1)]", "unexpected ')' in a duration expression, expected \",\"", "            ^"),
    ("foo[max_of(1,2,3)]", "unexpected ',' in a duration expression, expected \")\"", "              ^"),
    (
        "foo[min_of(]",
        "unexpected ']' in a duration, expected a number, a duration, step() or range()",
        "           ^",
    ),
    ("foo[5m/0]", "division by zero in a duration expression", "       ^"),
    ("foo[5m%0s]", "division by zero in a duration expression", "       ^^"),
    ("foo[1e10]", "duration out of range", "    ^^^^"),
    ("foo[9223372037]", "duration out of range", "    ^^^^^^^^^^"),
    ("foo[300y]", "duration out of range", "    ^^^^"),
    ("foo[99999999999999999999y]", "duration out of range", "    ^^^^^^^^^^^^^^^^^^^^^"),
    (
        "foo offset",
        "unexpected end of input in a duration, expected a number, a duration, step() or range()",
        "          ^",
    ),
    (
        "foo offset bar",
        "unexpected identifier 'bar' in a duration, expected a number, a duration, step() or range()",
        "           ^^^",
    ),
    ("foo offset inf", "duration out of range", "           ^^^"),
    (
        "foo offset -",
        "unexpected end of input in a duration, expected a number, a duration, step() or range()",
        "            ^",
    ),
    ("foo offset 1e10", "duration out of range", "           ^^^^"),
    ("foo offset (5m", 'unexpected end of input in a duration expression, expected ")"', "              ^"),
    ("foo offset step", 'unexpected end of input in a duration expression, expected "("', "               ^"),
    (
        "foo offset *5m",
        "unexpected '*' in a duration, expected a number, a duration, step() or range()",
        "           ^",
    ),
    ("1e999", "number out of range", "^^^^^"),
    ("0x8000000000000000", "number out of range", "^^^^^^^^^^^^^^^^^^"),
    ("foo @ 0x", "bad number or duration syntax: '0x'", "      ^^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_invalid_durations_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)


@pytest.mark.parametrize(
    ("written", "postfix"),
    [
        ("5m", ()),
        ("step()", ("step",)),
        ("1m+2m*3", (60, 120, 3, "*", "+")),
        ("(1m+2m)*3", (60, 120, "+", 3, "*")),
        ("2^3^4", (2, 3, 4, "^", "^")),
        ("-2^2", (2, 2, "^", "neg")),
        ("9-4-1", (9, 4, "-", 1, "-")),
        ("-step()+max_of(1,-range())", ("step", "neg", 1, "range", "neg", "max_of", "+")),
        ("+min_of(1%2,3)/4", (1, 2, "%", 3, "min_of", 4, "/")),
    ],
)
def test_an_expression_is_kept_in_postfix_notation(written, postfix):
    subquery = parse_as(Subquery, f"x[{written}:1ms+{written}]")
    assert subquery.range.postfix == postfix
    if postfix:
        assert subquery.step is not None
        assert subquery.step.postfix[:2] == (0.001, *postfix[:1])
