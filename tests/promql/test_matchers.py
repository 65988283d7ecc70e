"""The braces of a selector."""

import pytest
from tests.promql.carets import assert_refused

from chrysaetos.promql.matchers import label_matchers


def matchers(text):
    found, end, position = label_matchers(text, text.index("{") + 1)
    assert text[end - 1] == "}"
    assert not text[end:position].strip() or text[end:position].lstrip().startswith("#")
    assert [text[m.start : m.end].endswith(m.raw) for m in found] == [True] * len(found)
    return [(m.name, m.op, m.raw) for m in found]


@pytest.mark.parametrize("text", ["{}", "{ }", "{\n# a }\n}"])
def test_no_matchers(text):
    assert matchers(text) == []


@pytest.mark.parametrize("op", ["=", "!=", "=~", "!~"])
@pytest.mark.parametrize("gap", ["", " ", "\t\r\n", " # } a\n"])
def test_operators(op, gap):
    assert matchers(gap.join(("{", "a", op, '"b"', "}"))) == [("a", op, '"b"')]


@pytest.mark.parametrize(
    "name", ["a", "_", "A1", "by", "sum", "inf", "nan", "bool", "offset", "step", "__name__"]
)
def test_keywords_name_labels(name):
    assert matchers(f"{{{name}='b'}}") == [(name, "=", "'b'")]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"a b"', "a b"),
        ("'\\''", "'"),
        ("`a\\`", "a\\"),
        ('"\\x41"', "A"),
        ('"é"', "é"),
        ('""', ""),
        ('"a="', "a="),
    ],
)
def test_quoted_names(written, name):
    assert matchers(f'{{{written}="b"}}') == [(name, "=", '"b"')]
    assert matchers(f"{{{written}}}") == [("__name__", "=", written)]


def test_many_and_a_trailing_comma():
    assert matchers('{a="1",b!="2" , "c" ,"d"=~"4",}') == [
        ("a", "=", '"1"'),
        ("b", "!=", '"2"'),
        ("__name__", "=", '"c"'),
        ("d", "=~", '"4"'),
    ]


def test_values_keep_their_quotes_and_escapes():
    assert matchers(r"""{a="\"}",b='\'',c=`"'\`}""") == [
        ("a", "=", r'"\"}"'),
        ("b", "=", r"'\''"),
        ("c", "=", "`\"'\\`"),
    ]


def test_later_tokens_are_not_matchers():
    text = '{a="b"} # c\n + d'
    assert label_matchers(text, 1)[1:] == (7, text.index("+"))


REFUSED = [
    ("foo{", "unexpected end of input inside braces", "    ^"),
    ("foo{a", "unexpected end of input inside braces", "     ^"),
    ("foo{a=", "unexpected end of input inside braces", "      ^"),
    ('foo{a="b"', "unexpected end of input inside braces", "         ^"),
    ('foo{a="b",', "unexpected end of input inside braces", "          ^"),
    ("foo{,}", "unexpected ',' in label matching, expected identifier or \"}\"", "    ^"),
    ("foo{a}", "unexpected '}' in label matching, expected label matching operator", "     ^"),
    ("foo{a b}", "unexpected identifier 'b' in label matching, expected label matching operator", "      ^"),
    ('foo{a="b" c="d"}', 'unexpected identifier \'c\' in label matching, expected "," or "}"', "          ^"),
    ('foo{a="b",,}', "unexpected ',' in label matching, expected identifier or \"}\"", "          ^"),
    ("foo{a=b}", "unexpected identifier 'b' in label matching, expected string", "      ^"),
    ('foo{"a" "b"}', 'unexpected string \'"b"\' in label matching, expected "," or "}"', "        ^^^"),
    ('foo{"a"=}', "unexpected '}' in label matching, expected string", "        ^"),
    ("foo{=}", "unexpected '=' in label matching, expected identifier or \"}\"", "    ^"),
    ('foo{a=="b"}', "unexpected '=' in label matching, expected string", "      ^"),
    (
        'foo{a="b"or b="c"}',
        'unexpected identifier \'or\' in label matching, expected "," or "}"',
        "         ^^",
    ),
    ('foo{1="a"}', "unexpected character inside braces: '1'", "    ^"),
    ('foo{a:b="c"}', "unexpected character inside braces: ':'", "     ^"),
    ('foo{a="\\q"}', "unknown or incomplete escape sequence in a quoted string", "       ^^"),
    ("foo{a='b}", "unterminated quoted string", "      ^^^"),
    ('foo{a="b"(}', "unexpected character inside braces: '('", "         ^"),
    ("foo{{}}", "unexpected character inside braces: '{'", "    ^"),
    ("{a=~}", "unexpected '}' in label matching, expected string", "    ^"),
    ('foo{a!"b"}', "unexpected character inside braces: '!'", "     ^"),
    ('foo{a="b"}}', "unexpected character: '}'", "          ^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_invalid_matchers_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)
