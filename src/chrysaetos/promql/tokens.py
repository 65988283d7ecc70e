"""Text → tokens with spans.

Prometheus' own lexer (``promql/parser/lex.go``, 3.14) is the specification. It has three states, and so
has this module: the statement, the inside of braces (where keywords are plain identifiers), and the inside
of brackets (where only durations and their arithmetic stand). Each state is one regular expression of
possessive parts, so that no input makes it look at a character more than a fixed number of times.

What holds for every text that Prometheus accepts: it is split here at the same places. Where Prometheus
refuses a text later on (an overflowing number, a comment just behind ``[``), this lexer may let it pass.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from chrysaetos.errors import QueryError

__all__ = ["AGGREGATORS", "DURATION", "END", "IDENTIFIER", "METRIC", "NUMBER", "STRING", "Tokens", "tokenize"]

# Kinds of tokens. A keyword's kind is the keyword in lower case, an operator's is the operator.
IDENTIFIER = "identifier"
METRIC = "metric identifier"  # an identifier that holds a colon
STRING = "string"
NUMBER = "number"
DURATION = "duration"
END = "end of input"

AGGREGATORS = frozenset(
    {
        "avg",
        "bottomk",
        "count",
        "count_values",
        "group",
        "limit_ratio",
        "limitk",
        "max",
        "min",
        "quantile",
        "stddev",
        "stdvar",
        "sum",
        "topk",
    }
)

_DURATION_WORDS = ("step", "range", "max_of", "min_of")

# lex.go, `key`. Case does not matter there.
_KEYWORDS: dict[str, str] = {
    word: word
    for word in (
        *("and", "or", "unless", "atan2"),
        *AGGREGATORS,
        *("offset", "smoothed", "anchored", "by", "without", "on", "ignoring", "group_left", "group_right"),
        *("fill", "fill_left", "fill_right", "bool", "start", "end"),
        *_DURATION_WORDS,
    )
} | {"inf": NUMBER, "nan": NUMBER}

# A word is looked up as it is written first: most are in lower case, or no keywords at all.
_FILLS = frozenset({"fill", "fill_left", "fill_right"})

_SKIP = r"[ \t\r\n]*+(?:\#[^\r\n]*+[ \t\r\n]*+)*+"

# lex.go, scanNumber, and what Go's strconv takes of it.
_DIGITS = r"[0-9]++(?:_[0-9]++)*+"
_NUMBER = rf"""(?P<number>
    (?:0[xX]_?[0-9a-fA-F]++(?:_[0-9a-fA-F]++)*+
      |(?:{_DIGITS}(?:\.(?:{_DIGITS})?+)?+|\.{_DIGITS})(?:[eE][+-]?+{_DIGITS})?+
    )(?![0-9A-Za-z_.]))"""
# prometheus/common, model.ParseDuration: each unit at most once, in this order.
_DURATION = r"""(?P<duration>
    (?=[0-9])(?:[0-9]++y)?+(?:[0-9]++w)?+(?:[0-9]++d)?+(?:[0-9]++h)?+(?:[0-9]++m(?!s))?+(?:[0-9]++s)?+
    (?:[0-9]++ms)?+(?![0-9A-Za-z_]))"""
# lex.go, lexEscape: Go's escapes, of the quotes only the one in use; no surrogates. lexString and
# lexRawString refuse U+FFFD, since they cannot tell it from a byte that is not UTF-8.
_ESCAPE = r"""(?:[abfnrtv\\]|[0-3][0-7]{2}|x[0-9a-fA-F]{2}
    |u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|U000(?:0(?![dD][89a-fA-F])|[1-9a-fA-F])[0-9a-fA-F]{4}
    |U0010[0-9a-fA-F]{4})"""
_STRING = rf"""(?P<string>
     "(?:[^"\\\n\ufffd]++|\\(?:"|{_ESCAPE}))*+"
    |'(?:[^'\\\n\ufffd]++|\\(?:'|{_ESCAPE}))*+'
    |`[^`\ufffd]*+`)"""

_STATEMENT = re.compile(
    rf"""{_SKIP}(?:
      (?P<word>[A-Za-z_:][A-Za-z0-9_:]*+)
    | (?P<operator>==|!=|<[=/]|>[=/]|[-+*/%^<>=@,(){{\[])
    | {_NUMBER} | {_DURATION} | {_STRING}
    | (?P<end>\Z))""",
    re.VERBOSE,
)
_BRACES = re.compile(
    rf"""{_SKIP}(?:
      (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | (?P<operator>=~|!~|!=|[=,}}])
    | {_STRING})""",
    re.VERBOSE,
)
_BRACKETS = re.compile(
    rf"""{_SKIP}(?:
      (?P<operator>[-+*/%^,():\]])
    | {_NUMBER} | {_DURATION}
    | (?P<word>(?i:{"|".join(_DURATION_WORDS)})(?![A-Za-z_])))""",
    re.VERBOSE,
)
_SKIPPED = re.compile(_SKIP, re.VERBOSE)
_PARENTHESIS_NEXT = re.compile(r"[ \t\r\n]*+\(")
_GOOD_STRING_PART = re.compile(rf"(?:[^\\\n\ufffd]|\\(?:[\"'`]|{_ESCAPE}))", re.VERBOSE)
_WORD_LIKE = re.compile(r"[0-9A-Za-z_.]+")


class Tokens(NamedTuple):
    """The tokens of a text, as three lists of one length.

    The last one is ``END``, twice, so that one token of look-ahead is always there.

    Attributes:
        text: what was read.
        kinds: kind of each token.
        starts: index of its first character.
        ends: index behind its last character.
    """

    text: str
    kinds: list[str]
    starts: list[int]
    ends: list[int]


def tokenize(text: str, *, limit: int) -> Tokens:
    """Split a text into tokens.

    Args:
        text: PromQL, without surrogates.
        limit: how many tokens it may have.

    Raises:
        QueryError: a place where no token starts, or more tokens than ``limit``.
    """
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    state = _STATEMENT
    position = 0
    while True:
        match = state.match(text, position)
        if match is None:
            raise _refusal(text, position, state)
        kind: str = match.lastgroup  # type: ignore[assignment]  # every alternative is named
        start, position = match.span(kind)
        if kind == "operator":
            kind = text[start:position]
            if kind == "{":
                state = _BRACES
            elif kind == "[":
                state = _BRACKETS
            elif kind in "}]":
                state = _STATEMENT
        elif kind == "word":
            kind = IDENTIFIER if state is _BRACES else _word_kind(text, start, position)
        elif kind == "end":
            kind = END
        kinds.append(kind)
        starts.append(start)
        ends.append(position)
        if kind == END:
            kinds.append(END)
            starts.append(start)
            ends.append(position)
            return Tokens(text, kinds, starts, ends)
        if len(kinds) > limit:
            raise QueryError(f"the query has more than {limit} tokens", text, start, position)


def _word_kind(text: str, start: int, end: int) -> str:
    """lex.go, lexKeywordOrIdentifier."""
    word = text[start:end]
    kind = _KEYWORDS.get(word) or _KEYWORDS.get(word.lower())
    if kind is None or (kind in _FILLS and not _PARENTHESIS_NEXT.match(text, end)):
        return METRIC if ":" in word else IDENTIFIER
    return kind


def _refusal(text: str, position: int, state: re.Pattern[str]) -> QueryError:
    """The error for a text in which no token starts at a position."""
    skipped = _SKIPPED.match(text, position)
    start = position if skipped is None else skipped.end()
    if start == len(text):
        what = "inside braces" if state is _BRACES else "inside brackets"
        return QueryError(f"unexpected end of input {what}", text, start)
    character = text[start]
    if character in "\"'`" and state is not _BRACKETS:
        return _string_refusal(text, start)
    if character.isascii() and (character.isdigit() or character == "."):
        word = _WORD_LIKE.match(text, start)
        end = start + 1 if word is None else word.end()
        return QueryError(f"bad number or duration syntax: {_shown(text[start:end])}", text, start, end)
    place = {_BRACES: " inside braces", _BRACKETS: " in a duration"}.get(state, "")
    return QueryError(f"unexpected character{place}: {_shown(character)}", text, start)


def _string_refusal(text: str, start: int) -> QueryError:
    """The error for a quote that starts no string: where the string breaks off, and why."""
    quote = text[start]
    position = start + 1
    while position < len(text) and text[position] != quote:
        if quote == "`" and text[position] != "\ufffd":
            position += 1
            continue
        part = _GOOD_STRING_PART.match(text, position)
        if part is None or (part[0][0] == "\\" and part[0][1] in "\"'`" and part[0][1] != quote):
            break
        position = part.end()
    if position == len(text) or text[position] == "\n":
        return QueryError("unterminated quoted string", text, start, position)
    if text[position] == "\ufffd":
        return QueryError("invalid UTF-8 in a quoted string", text, position)
    return QueryError(
        "unknown or incomplete escape sequence in a quoted string", text, position, position + 2
    )


def _shown(part: str) -> str:
    """A part of the text as an error shows it: quoted, short, one line."""
    return ascii(part if len(part) <= 20 else f"{part[:20]}...")
