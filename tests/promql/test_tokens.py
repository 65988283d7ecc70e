"""Text → tokens: where it is split, and where it is refused."""

import pytest
from tests.promql.carets import assert_refused

from chrysaetos.promql.tokens import END, tokenize
from chrysaetos.promql.words import AGGREGATORS


def tokens(text):
    """Kinds and parts, but for the two that end each list."""
    found = tokenize(text, limit=1000)
    assert len(found.kinds) == len(found.starts) == len(found.parts)
    assert found.kinds[-2:] == [END, END]
    assert all(text.startswith(part, start) for start, part in zip(found.starts, found.parts, strict=True))
    return list(zip(found.kinds, found.parts, strict=True))[:-2]


def kinds(text):
    return [kind for kind, _ in tokens(text)]


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "# a", "# a\n# b\r #c\n "])
def test_an_empty_text_has_no_tokens(text):
    assert tokens(text) == []


@pytest.mark.parametrize(
    "operator",
    ["+", "-", "*", "/", "%", "^", "@", ",", "(", ")", "=", "==", "!=", "<", "<=", "</", ">", ">=", ">/"],
)
def test_an_operators_kind_is_the_operator(operator):
    assert tokens(f"a {operator} b") == [("identifier", "a"), (operator, operator), ("identifier", "b")]
    assert tokens(f"a{operator}b")[1] == (operator, operator)


@pytest.mark.parametrize("word", ["a", "_", "a1_Z", ":", "a:b:c", ":a", "summ", "sum_", "infinity", "bool1"])
def test_identifiers(word):
    assert tokens(word) == [("identifier", word)]


KEYWORDS = (
    *("and", "or", "unless", "atan2", "offset", "smoothed", "anchored", "by", "without", "on", "ignoring"),
    *("group_left", "group_right", "bool", "start", "end", "step", "range", "max_of", "min_of"),
    *sorted(AGGREGATORS),
)


@pytest.mark.parametrize("word", KEYWORDS)
def test_keywords_in_any_case(word):
    assert kinds(word) == kinds(word.upper()) == kinds(word.title()) == [word]


@pytest.mark.parametrize("word", ["fill", "fill_left", "fill_right"])
def test_a_fill_is_a_keyword_only_before_a_parenthesis(word):
    assert kinds(f"{word}(") == kinds(f"{word.upper()} \t\r\n(") == [word, "("]
    assert kinds(word) == kinds(f"{word} ") == ["identifier"]
    assert kinds(f"{word} + {word}(") == ["identifier", "+", word, "("]
    assert kinds(f"{word} # a\n (") == ["identifier", "("]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0",
            "1",
            "42",
            "007",
            "08",
            "1_000",
            "1.5",
            "1.",
            ".5",
            "1_0.0_1",
            "1e5",
            "1E+5",
            "1.e-5",
            ".5e0_1",
        ),
        *("0x1F", "0Xab", "0x_1", "0x1_f", "0xe", "inf", "Inf", "INF", "nan", "NaN"),
    ],
)
def test_numbers(text):
    assert tokens(text) == [("number", text)]
    assert tokens(f"({text})") == [("(", "("), ("number", text), (")", ")")]


@pytest.mark.parametrize(
    "text", ["1s", "5m", "1h30m", "1y2w3d4h5m6s7ms", "10ms", "1m1ms", "0s", "007m", "1y", "3w4ms"]
)
def test_durations(text):
    assert tokens(text) == [("duration", text)]
    assert tokens(f"{text}-1") == [("duration", text), ("-", "-"), ("number", "1")]


@pytest.mark.parametrize(
    "text",
    [
        *('""', '"a"', "'a'", "`a`", "``", '"\'`#{"', "'\"`'", "`\"'\\`", "`a\nb`", '"\x00"', '"é𐍈"', '"\r"'),
        *(
            r'"\a\b\f\n\r\t\v\\\""',
            r"'\''",
            r'"\000\377"',
            r'"\x00\xfF"',
            r'"\u00e9\uffFD"',
            r'"\ud7ff\ue000"',
        ),
        *(r'"\U0001F600\U0010ffff\U00000041\U000fFFFF"', r"`\`", r"`\z`"),
    ],
)
def test_strings(text):
    assert tokens(text) == [("string", text)]


def test_a_comment_ends_with_its_line():
    assert kinds("a # + b\n - c # d\r * e#") == ["identifier", "-", "identifier", "*", "identifier"]


def test_a_hash_in_a_string_does_not_start_a_comment():
    assert tokens("'#' + `#\n`") == [("string", "'#'"), ("+", "+"), ("string", "`#\n`")]


def test_braces_are_one_token():
    text = 'foo { a = "}" , # }\n } + {}'
    assert kinds(text) == ["identifier", "label matchers", "+", "label matchers"]
    found = tokenize(text, limit=9)
    assert found.parts[1] == '{ a = "}" , # }\n }'
    assert [matcher.name for matcher in found.braces[1]] == ["a"]
    assert found.braces[3] == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a[5m]", ["identifier", "[", "duration", "]"]),
        ("a[ 300 ]", ["identifier", "[", "number", "]"]),
        ("a[5m:1m]", ["identifier", "[", "duration", ":", "duration", "]"]),
        ("a[5m # c\n : # d\n ]", ["identifier", "[", "duration", ":", "]"]),
        (
            "a[STEP() + 1:Range()]",
            ["identifier", "[", "step", "(", ")", "+", "number", ":", "range", "(", ")", "]"],
        ),
        ("a[max_of(1,2m)]", ["identifier", "[", "max_of", "(", "number", ",", "duration", ")", "]"]),
        (
            "a[-(1*2/3%4^5)]",
            [
                *("identifier", "[", "-", "(", "number", "*", "number", "/"),
                *("number", "%", "number", "^", "number", ")", "]"),
            ],
        ),
        ("a[5m] offset 5m", ["identifier", "[", "duration", "]", "offset", "duration"]),
    ],
)
def test_brackets_hold_durations(text, expected):
    assert kinds(text) == expected


def test_tokens_are_bounded():
    assert len(tokenize("1+1+1", limit=5).kinds) == 7
    assert_refused(
        "1+1+11+", "the query has more than 4 tokens", "    ^^", lambda text: tokenize(text, limit=4)
    )


REFUSED = [
    ("foo $", "unexpected character: '$'", "    ^"),
    ("foo ! bar", "unexpected character: '!'", "    ^"),
    ('foo =~ "a"', "unexpected character: '~'", "     ^"),
    ("é", "unexpected character: '\\xe9'", "^"),
    ("foo\x00", "unexpected character: '\\x00'", "   ^"),
    ('"abc', "unterminated quoted string", "^^^^"),
    ('"a\nb"', "unterminated quoted string", "^^"),
    ("'a\\'", "unterminated quoted string", "^^^^"),
    ("`abc", "unterminated quoted string", "^^^^"),
    ('"a\\qb"', "unknown or incomplete escape sequence in a quoted string", "  ^^"),
    ('"\\x4"', "unknown or incomplete escape sequence in a quoted string", " ^^"),
    ('"\\400"', "unknown or incomplete escape sequence in a quoted string", " ^^"),
    ('"\\ud800"', "unknown or incomplete escape sequence in a quoted string", " ^^"),
    ('"\\U00110000"', "unknown or incomplete escape sequence in a quoted string", " ^^"),
    ('"a�b"', "invalid UTF-8 in a quoted string", "  ^"),
    ("`�`", "invalid UTF-8 in a quoted string", " ^"),
    ("'\\\"'", "unknown or incomplete escape sequence in a quoted string", " ^^"),
    ("1x", "bad number or duration syntax: '1x'", "^^"),
    ("1..2", "bad number or duration syntax: '1..2'", "^^^^"),
    ("0x", "bad number or duration syntax: '0x'", "^^"),
    ("1e", "bad number or duration syntax: '1e'", "^^"),
    ("1_", "bad number or duration syntax: '1_'", "^^"),
    ("1__0", "bad number or duration syntax: '1__0'", "^^^^"),
    (".5.5", "bad number or duration syntax: '.5.5'", "^^^^"),
    ("5m5", "bad number or duration syntax: '5m5'", "^^^"),
    ("1h1d", "bad number or duration syntax: '1h1d'", "^^^^"),
    ("foo[", "unexpected end of input inside brackets", "    ^"),
    ("foo[5m", "unexpected end of input inside brackets", "      ^"),
    ("foo[5m $", "unexpected character in a duration: '$'", "       ^"),
    ('foo["a"]', "unexpected character in a duration: '\"'", "    ^"),
    ("foo[#c\n5m]", "unexpected character in a duration: '#'", "    ^"),
    ("foo[:5m]", "unexpected character in a duration: ':'", "    ^"),
    ("foo[step()#c\n:5m]", "unexpected character in a duration: '#'", "          ^"),
    ("foo[step():#c\n5m]", "unexpected character in a duration: '#'", "           ^"),
    ("foo[5x]", "bad number or duration syntax: '5x'", "    ^^"),
    ("foo[steps()]", "unexpected character in a duration: 's'", "    ^"),
    ("foo[5m:1m:1m]", "unexpected ':' in subquery selector, expected \"]\"", "         ^"),
    ("foo[[5m]]", "unexpected character in a duration: '['", "    ^"),
    ("foo\ufeff", "unexpected character: '\\ufeff'", "   ^"),
    ("\x0b foo", "unexpected character: '\\x0b'", "^"),
    ("foo[5m}", "unexpected character in a duration: '}'", "      ^"),
    ("foo]", "unexpected character: ']'", "   ^"),
    ("foo}", "unexpected character: '}'", "   ^"),
]


@pytest.mark.parametrize(("text", "reason", "carets"), REFUSED)
def test_invalid_tokens_are_rejected(text, reason, carets):
    assert_refused(text, reason, carets)
