"""What string literals mean, and how values are written as such."""

import pytest

from chrysaetos.promql.strings import is_label_name, is_legacy_name, quote, regex_quote, unquote


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        *(('""', ""), ("'a'", "a"), ("`a`", "a"), ("'é𐍈'", "é𐍈"), ("`\\n`", "\\n"), ("`'\"`", "'\"")),
        (r'"\a\b\f\n\r\t\v\\\""', '\a\b\f\n\r\t\v\\"'),
        *((r"'\''", "'"), (r"'\101\060'", "A0"), (r'"\x41\x7F"', "A\x7f"), (r'"\u00e9\u2603"', "é☃")),
        *(
            (r'"\U0001F600"', "😀"),
            (r'"\000\x00\u0000"', "\0\0\0"),
            (r'"\ufffd"', "\ufffd"),
            (r"'\\n'", "\\n"),
        ),
        *((r'"\xc3\xa9"', "é"), (r'"\xc3é"', "\udcc3é"), (r'"\377"', "\udcff"), (r'"é\n"', "é\n")),
    ],
)
def test_unquote(literal, value):
    assert unquote(literal) == value


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        *(
            ("", '""'),
            ("a", '"a"'),
            ("é𐍈", '"é𐍈"'),
            ('"', r'"\""'),
            ("'`", '"\'`"'),
            ("\\", r'"\\"'),
            ("\n", r'"\n"'),
        ),
        *(
            ("\0", r'"\u0000"'),
            ("\r", r'"\u000d"'),
            ("\x7f", r'"\u007f"'),
            ("\ufffd", r'"\ufffd"'),
            ("#{}", '"#{}"'),
        ),
    ],
)
def test_quote(value, literal):
    assert quote(value) == literal
    assert unquote(literal) == value


@pytest.mark.parametrize("value", ["\ud800", "a\udcff"])
def test_a_surrogate_cannot_be_quoted(value):
    with pytest.raises(UnicodeEncodeError):
        quote(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a-b_c", "a-b_c"),
        (r"\.+*?()|[]{}^$", r"\\\.\+\*\?\(\)\|\[\]\{\}\^\$"),
        ("é\n#", "é\n#"),
    ],
)
def test_regex_quote(value, expected):
    assert regex_quote(value) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a", True), ("_1", True), ("", False), ("1a", False), ("a:b", False), ("é", False), ("a\n", False)],
)
def test_is_legacy_name(name, expected):
    assert is_legacy_name(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"), [("a", True), ("é b", True), ("\0", True), ("", False), ("a\udcff", False)]
)
def test_is_label_name(name, expected):
    assert is_label_name(name) is expected
