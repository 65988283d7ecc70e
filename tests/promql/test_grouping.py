"""Words that are names, groupings, and what stands behind a binary operator."""

import pytest
from tests.promql.carets import assert_refused
from tests.promql.parsing import parse_as

from chrysaetos.promql.ast import Aggregate, Binary, Matching
from chrysaetos.promql.grouping import PLAIN
from chrysaetos.promql.parser import parse

NAMES = (
    *(
        "avg",
        "bottomk",
        "by",
        "count",
        "count_values",
        "fill",
        "fill_left",
        "fill_right",
        "group",
        "and",
        "or",
        "unless",
    ),
    *(
        "max",
        "min",
        "offset",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
        "without",
        "start",
        "end",
        "limitk",
    ),
    *("limit_ratio", "step", "range", "anchored", "smoothed", "max_of", "min_of", "foo", "a:b"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "pattern", ["{}", "{} + 1", "1 + {}", "({})", "rate({}[5m])", "foo + {} offset 5m", '{}{{a="b"}}']
)
def test_these_words_name_metrics(name, pattern):
    assert name in [selector.name for selector in parse(pattern.format(name)).selectors]


@pytest.mark.parametrize("word", ["bool", "on", "ignoring", "group_left", "group_right", "atan2"])
def test_operators_do_not_name_metrics(word):
    assert_refused(f"({word})", f"unexpected {word!r}, expected an expression", " " + "^" * len(word))


LABELS = (*sorted(set(NAMES) - {"without"}), "bool", "on", "ignoring", "group_left", "group_right", "atan2")


@pytest.mark.parametrize("label", LABELS)
def test_these_words_name_labels(label):
    assert parse_as(Aggregate, f"sum by ({label}, {label.upper()},) (foo)").grouping == (label, label.upper())


@pytest.mark.parametrize("word", ["without", "inf", "NaN", "1", "5m"])
def test_other_tokens_do_not_name_labels(word):
    kind = {"without": "", "5m": "duration "}.get(word, "number ")
    reason = f"unexpected {kind}{word!r} in grouping opts, expected label"
    assert_refused(f"sum by ({word}) (foo)", reason, "        " + "^" * len(word))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("()", ()),
        ("( )", ()),
        ("(a)", ("a",)),
        ("(a,)", ("a",)),
        ("(a , b)", ("a", "b")),
        ("(\"a b\",'\\'', `c`)", ("a b", "'", "c")),
        ("( # )\n a)", ("a",)),
    ],
)
def test_groupings(text, labels):
    assert parse_as(Aggregate, f"sum by {text} (foo)").grouping == labels
    assert parse_as(Aggregate, f"sum(foo) without {text}").grouping == labels
    matching = parse_as(Binary, f"foo + on {text} foo").matching
    assert matching is not None
    assert matching.labels == labels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", PLAIN),
        ("bool", Matching(return_bool=True)),
        ("on()", Matching(on=True)),
        ("ON (a)", Matching(on=True, labels=("a",))),
        ("ignoring(a,b)", Matching(on=False, labels=("a", "b"))),
        ("bool on(a)", Matching(return_bool=True, on=True, labels=("a",))),
        ("on(a) group_left", Matching(on=True, labels=("a",), group="group_left")),
        ("on(a) Group_Right(b)", Matching(on=True, labels=("a",), group="group_right", include=("b",))),
        ("ignoring(a) group_left(a)", Matching(on=False, labels=("a",), group="group_left", include=("a",))),
        ("fill(1)", Matching(fill=True)),
        ("Fill_Left (-5m)", Matching(fill=True)),
        ("fill_right(+inf)", Matching(fill=True)),
        ("fill_left(1) fill_right(2)", Matching(fill=True)),
        ("fill_right(1) fill_left(2)", Matching(fill=True)),
        (
            "bool on() group_left() fill(NaN)",
            Matching(return_bool=True, on=True, group="group_left", fill=True),
        ),
    ],
)
def test_modifiers_of_an_operator(text, expected):
    assert parse_as(Binary, f"foo == {text} bar").matching == expected


def test_a_fill_may_be_an_operand():
    assert [s.name for s in parse("fill + fill_left * fill(1) fill").selectors] == [
        "fill",
        "fill_left",
        "fill",
    ]


REFUSED = [
    ("sum by a (b)", "unexpected identifier 'a' in grouping opts, expected \"(\"", "       ^"),
    ("sum by (1) (a)", "unexpected number '1' in grouping opts, expected label", "        ^"),
    ("sum by (a b) (c)", 'unexpected identifier \'b\' in grouping opts, expected "," or ")"', "          ^"),
    ("sum by (,) (a)", "unexpected ',' in grouping opts, expected label", "        ^"),
    ("sum by (a,,b) (c)", "unexpected ',' in grouping opts, expected label", "          ^"),
    ('sum by ("") (a)', "invalid label name for grouping: '\"\"'", "        ^^"),
    ('sum by ("\\xff") (a)', "invalid label name for grouping: '\"\\\\xff\"'", "        ^^^^^^"),
    ("sum by (without) (a)", "unexpected 'without' in grouping opts, expected label", "        ^^^^^^^"),
    ("sum by (a", 'unexpected end of input in grouping opts, expected "," or ")"', "         ^"),
    ("sum by (", "unexpected end of input in grouping opts, expected label", "        ^"),
    ("a + on b", "unexpected identifier 'b' in grouping opts, expected \"(\"", "       ^"),
    ("a + on (b", 'unexpected end of input in grouping opts, expected "," or ")"', "         ^"),
    (
        "a + on (a) group_left (1) b",
        "unexpected number '1' in grouping opts, expected label",
        "                       ^",
    ),
    ("a + bool b c", "unexpected identifier 'c'", "           ^"),
    ("a + fill b", "unexpected identifier 'b'", "         ^"),
    ("a + fill(b) c", "unexpected identifier 'b', expected a number or a duration", "         ^"),
    ("a + fill(1 b", "unexpected identifier 'b' in a fill modifier, expected \")\"", "           ^"),
    ("a + fill(1) fill(2) b", "unexpected '('", "                ^"),
    ("a + fill_left(1) fill_left(2) b", "unexpected '('", "                          ^"),
    ("a + fill_left(1) fill(2) b", "unexpected '('", "                     ^"),
    ("a + fill(-) b", "unexpected ')', expected a number or a duration", "          ^"),
    ("a + bool on(x) bool b", "unexpected 'bool', expected an expression", "               ^^^^"),
    ("a + group_left b", "unexpected 'group_left', expected an expression", "    ^^^^^^^^^^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_misplaced_modifiers_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)
