"""The smallest parts of the text. Which strings there are, test_tokens.py shows."""

import re

import pytest

from chrysaetos.promql.lexemes import SKIP, STRING, digits_refusal, shown, skip, string_refusal


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("a", 0, 0),
        ("", 0, 0),
        (" \t\r\n a", 0, 5),
        ("a  b", 1, 3),
        ("# a\n#b\r c", 0, 8),
        ("# a", 0, 3),
        ("\x0b", 0, 0),
        ("\u00a0", 0, 0),
        ("#\u2028a\nb", 0, 4),
    ],
)
def test_white_space_and_comments(text, position, expected):
    assert skip(text, position) == expected


@pytest.mark.parametrize(
    "text",
    [
        "#" * 30000,
        "# \n" * 10000,
        "\n" * 30000,
        "'" + "\\n" * 15000,
        "'" * 30001,
        '"' + "a" * 30000,
        "`" + "\\" * 30000,
    ],
)
def test_no_text_makes_a_match_look_back(text):
    assert re.compile(rf"(?:{SKIP}x|{STRING}x)", re.VERBOSE).match(text) is None


@pytest.mark.parametrize(
    ("text", "start", "reason", "marked"),
    [
        ('a "bc', 2, "unterminated quoted string", '"bc'),
        ('"a\\n\nb"', 0, "unterminated quoted string", '"a\\n'),
        ("`a\nb", 0, "unterminated quoted string", "`a\nb"),
        ("'a\\'", 0, "unterminated quoted string", "'a\\'"),
        ("'a\ufffd'", 0, "invalid UTF-8 in a quoted string", "\ufffd"),
        ("'a\\\"'", 0, "unknown or incomplete escape sequence in a quoted string", '\\"'),
        ('"\\uDEAD"', 0, "unknown or incomplete escape sequence in a quoted string", "\\u"),
        ('"\\', 0, "unknown or incomplete escape sequence in a quoted string", "\\"),
    ],
)
def test_the_position_of_an_error_in_a_string(text, start, reason, marked):
    error = string_refusal(text, start)
    assert (error.reason, text[error.start : error.end]) == (reason, marked)


@pytest.mark.parametrize(("text", "marked"), [("1x+2", "1x"), ("..5", "..5"), ("5m5 ", "5m5"), ("1.é", "1.")])
def test_the_position_of_an_error_in_a_number(text, marked):
    error = digits_refusal(text, 0)
    assert error.reason == f"bad number or duration syntax: {marked!r}"
    assert text[error.start : error.end] == marked


@pytest.mark.parametrize(
    ("part", "expected"),
    [("a", "'a'"), ("é\n", "'\\xe9\\n'"), ("a" * 20, f"'{'a' * 20}'"), ("a" * 21, f"'{'a' * 20}...'")],
)
def test_excerpts_are_short_and_printable(part, expected):
    assert shown(part) == expected
