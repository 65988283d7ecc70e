"""A place in a list of tokens."""

import pytest

from chrysaetos.errors import QueryError
from chrysaetos.promql.cursor import Cursor
from chrysaetos.promql.tokens import tokenize


def cursor(text, depth=2):
    return Cursor(tokenize(text, limit=100), depth)


def test_the_span_of_a_token():
    assert cursor("foo +  bar").span(2) == (7, 10)


def test_expect_skips_a_token_and_returns_its_end():
    place = cursor("a == b")
    place.index = 1
    assert place.expect("==", "", "") == 4
    assert place.index == 2


@pytest.mark.parametrize(
    ("text", "context", "expected", "reason"),
    [
        ("+", "", "", "unexpected '+'"),
        ("SUM", "", "", "unexpected 'SUM'"),
        ("foo", "x", "", "unexpected identifier 'foo' in x"),
        ("foo", "", "y", "unexpected identifier 'foo', expected y"),
        ("'a'", "x", "y", "unexpected string \"'a'\" in x, expected y"),
        ("1", "", "", "unexpected number '1'"),
        ("", "", "", "unexpected end of input"),
        ("'é'", "", "", "unexpected string \"'\\xe9'\""),
        ("a" * 30, "", "", f"unexpected identifier '{'a' * 20}...'"),
    ],
)
def test_an_unexpected_token_is_named(text, context, expected, reason):
    with pytest.raises(QueryError) as caught:
        cursor(text).expect("]", context, expected)
    assert caught.value.reason == reason
    assert text[caught.value.start : caught.value.end] == text


def test_levels_are_counted():
    place = cursor("(()((", depth=2)
    place.enter()
    place.enter()
    assert place.leave("") == 3
    place.enter()
    with pytest.raises(QueryError, match="nested deeper than 2 levels") as caught:
        place.enter()
    assert (caught.value.start, caught.value.end) == (4, 5)


def test_a_level_is_closed_by_a_parenthesis_alone():
    place = cursor("(+")
    place.enter()
    with pytest.raises(QueryError, match="unexpected '\\+' in there, expected \"\\)\""):
        place.leave("there")


def test_the_first_complaint_is_kept():
    place = cursor("a b")
    place.complain("first", 0, 1)
    place.complain("second", 2, 3)
    assert place.fault is not None
    assert (place.fault.reason, place.fault.column) == ("first", 1)
