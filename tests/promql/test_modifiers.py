"""What follows an expression."""

import pytest
from tests.promql.carets import assert_refused

from chrysaetos.promql.ast import MatrixSelector, Subquery, VectorSelector
from chrysaetos.promql.parser import parse


def test_a_range():
    node = parse("foo [5m]").expr
    assert isinstance(node, MatrixSelector)
    assert (node.start, node.end, node.range.seconds, node.type) == (0, 8, 300, "matrix")
    assert (node.selector.start, node.selector.end) == (0, 3)


@pytest.mark.parametrize(
    ("text", "span", "step"),
    [
        ("foo[5m:]", 300, None),
        ("foo[5m:1m]", 300, 60),
        ("foo[ 300 : 60 ]", 300, 60),
        ("(foo)[1h:5m]", 3600, 300),
        ("rate(a[1m])[5m:]", 300, None),
    ],
)
def test_a_subquery(text, span, step):
    node = parse(text).expr
    assert isinstance(node, Subquery)
    assert (node.start, node.end, node.type) == (0, len(text), "matrix")
    assert node.range.seconds == span
    assert (node.step and node.step.seconds) == step


@pytest.mark.parametrize("head", ["foo", "foo[5m]", "foo[5m:1m]", '{a="b"}'])
@pytest.mark.parametrize(
    ("modifiers", "seconds", "timestamp"),
    [
        (" offset 5m", 300, None),
        (" OFFSET -5m", -300, None),
        (" @ 1", None, 1),
        (" @ -1.5", None, -1.5),
        (" @ +0x10", None, 16),
        (" @ 5m", None, 300),
        (" @ start()", None, "start"),
        (" @ END ( )", None, "end"),
        (" @ 9.2e18", None, 9.2e18),
        (" offset 5m @ 1", 300, 1),
        (" @ 1 offset 5m", 300, 1),
        (" offset 0 offset 5m", 300, None),
        (" offset 0.0000000001 offset 5m", 300, None),
        (" offset 5m offset 0s", None, None),
    ],
)
def test_offset_and_timestamp(head, modifiers, seconds, timestamp):
    if modifiers == " offset 5m offset 0s":
        reason, text = "offset may not be set multiple times", head + modifiers
        assert_refused(text, reason, "^" * len(text))
        return
    node = parse(head + modifiers).expr
    holder = node.selector if isinstance(node, MatrixSelector) else node
    assert isinstance(holder, VectorSelector | Subquery)
    assert (holder.offset and holder.offset.seconds) == seconds
    assert (holder.at and holder.at.timestamp) == timestamp
    assert (node.start, node.end) == (0, len(head + modifiers))


@pytest.mark.parametrize("word", ["anchored", "smoothed"])
@pytest.mark.parametrize(
    "text",
    [
        "foo {0}",
        "foo {0} {0}",
        "foo {0}[5m]",
        "foo[5m] {0}",
        "foo[5m] {0} offset 1m",
        "foo offset 1m {0}",
        "foo {0} @ 1",
    ],
)
def test_anchored_and_smoothed(word, text):
    node = parse(text.format(word)).expr
    selector = node.selector if isinstance(node, MatrixSelector) else node
    assert isinstance(selector, VectorSelector)
    assert selector.extended == word


@pytest.mark.parametrize(
    "text", ["foo offset 0[5m]", "foo @ 1 [5m:]", "foo offset 1m [5m:1m]", "foo anchored [5m:]"]
)
def test_expressions_before_a_bracket(text):
    assert parse(text).expr.type == "matrix"


REFUSED = [
    ("foo[5m][5m]", "ranges only allowed for vector selectors", "       ^^^^"),
    ("(foo)[5m]", "ranges only allowed for vector selectors", "     ^^^^"),
    ("foo offset 5m[5m]", "no offset modifiers allowed before range", "             ^^^^"),
    ("foo @ 1[5m]", "no @ modifiers allowed before range", "       ^^^^"),
    ("foo[5m:1m][5m]", "ranges only allowed for vector selectors", "          ^^^^"),
    ("1 offset 5m", "offset modifier must follow a selector or a subquery", "^"),
    ("(foo) offset 5m", "offset modifier must follow a selector or a subquery", "^^^^^"),
    ("foo offset 5m offset 5m", "offset may not be set multiple times", "^^^^^^^^^^^^^^^^^^^^^^^"),
    ("foo[5m] offset 5m offset 1m", "offset may not be set multiple times", "^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("sum(foo) @ 1", "@ modifier must follow a selector or a subquery", "^^^^^^^^"),
    ("foo @ 1 @ 2", "@ <timestamp> may not be set multiple times", "^^^^^^^^^^^"),
    ("foo @ start() @ end()", "@ <timestamp> may not be set multiple times", "^^^^^^^^^^^^^^^^^^^^^"),
    ("foo @ start", 'unexpected end of input in @, expected "("', "           ^"),
    ("foo @ foo", "unexpected identifier 'foo', expected a number or a duration", "      ^^^"),
    ("foo @", "unexpected end of input, expected a number or a duration", "     ^"),
    ("foo @ start(", 'unexpected end of input in @, expected ")"', "            ^"),
    ("foo @ inf", "timestamp out of bounds for @ modifier", "    ^^^^^"),
    ("foo @ -nan", "timestamp out of bounds for @ modifier", "    ^^^^^^"),
    ("foo @ 1e30", "timestamp out of bounds for @ modifier", "    ^^^^^^"),
    ("foo @ -9223372036854775808", "timestamp out of bounds for @ modifier", "    ^^^^^^^^^^^^^^^^^^^^^^"),
    ("foo[5m:] anchored", "anchored modifier is not supported for subqueries", "^^^^^^^^^^^^^^^^^"),
    (
        "foo anchored smoothed",
        "anchored and smoothed modifiers cannot be used together",
        "^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "foo[5m] smoothed anchored",
        "anchored and smoothed modifiers cannot be used together",
        "^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    ("(foo) anchored", "anchored modifier must follow a selector or a subquery", "^^^^^"),
    ("1 smoothed", "smoothed modifier must follow a selector or a subquery", "^"),
    ("foo offset 1m @ 1 offset 1m", "offset may not be set multiple times", "^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("foo @ (1)", "unexpected '(', expected a number or a duration", "      ^"),
    ("foo @ step()", "unexpected 'step', expected a number or a duration", "      ^^^^"),
    ("foo offset step() offset 5m", "offset may not be set multiple times", "^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    (
        "foo[5m] [5m:]",
        "subquery is only allowed on an instant vector, not on a range vector",
        "^^^^^^^^^^^^^",
    ),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_misplaced_modifiers_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)
