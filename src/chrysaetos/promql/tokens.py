"""Text → tokens with spans.

Prometheus' own lexer (``promql/parser/lex.go``, 3.16) is the specification. It has three states: the
statement, the inside of braces, and the inside of brackets, where only durations and their arithmetic stand.
Statement and brackets have regular expressions of their own; a pair of braces with its content is one token,
read in :mod:`~chrysaetos.promql.matchers`.

Every text that Prometheus accepts is split here at the same places.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.errors import QueryError
from chrysaetos.promql import units
from chrysaetos.promql.lexemes import SKIP, SPACE, STRING, digits_refusal, shown, skip, string_refusal
from chrysaetos.promql.matchers import LABEL_MATCHERS, label_matchers
from chrysaetos.promql.words import DURATION_WORDS, FILLS, KEYWORDS, NUMBERS

if TYPE_CHECKING:
    from chrysaetos.promql.ast import Matcher

__all__ = [
    "BRACES",
    "DURATION",
    "END",
    "IDENTIFIER",
    "NUMBER",
    "STRING_LITERAL",
    "Tokens",
    "split",
    "tokenize",
]

# Kinds of tokens. A keyword's kind is the keyword in lower case, an operator's is the operator.
IDENTIFIER = "identifier"
STRING_LITERAL = "string"
NUMBER = "number"
DURATION = "duration"
BRACES = "label matchers"
END = "end of input"

_KINDS = {word: word for word in KEYWORDS} | dict.fromkeys(NUMBERS, NUMBER)

# lex.go, scanNumber, restricted to what Go's strconv accepts.
# What follows a number or a duration ends it, so no shorter match than the longest succeeds.
_DIGITS = r"[0-9]++(?:_[0-9]++)*"
_NUMBER = rf"""
    (?:0[xX]_?[0-9a-fA-F]++(?:_[0-9a-fA-F]++)*
      |(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?
    )(?![0-9A-Za-z_.])"""
_DURATION = rf"{units.DURATION}(?![0-9A-Za-z_])"
_OPERATOR = "[-+*/%^@,()]|==?+|!=|[<>][=/]?+"
_WORD = "[A-Za-z_:][A-Za-z0-9_:]*+"
_DURATION_WORD = rf"(?P<word>(?i:{'|'.join(sorted(DURATION_WORDS))})(?![A-Za-z_]))"

# Each token includes the white space and comments after it, so the next token starts where its match ends.
_STATEMENT = re.compile(
    rf"""(?:
      (?P<operator>{_OPERATOR}) | (?P<word>{_WORD})
    | (?P<number>{_NUMBER}) | (?P<duration>{_DURATION}) | (?P<string>{STRING})
    | (?P<end>\Z)){SKIP}
    | (?P<bracket>\[){SPACE} | (?P<brace>\{{)""",
    re.VERBOSE,
)
# lex.go, lexDurationExpr: up to a bracket's first number there is no comment, and up to its first number or
# function there is no colon.
_BRACKETS_START, _BRACKETS_NO_NUMBER = (
    re.compile(
        rf"""(?:(?P<number>{_NUMBER}) | (?P<duration>{_DURATION}) | (?P<close>\])){SKIP}
        | (?:(?P<operator>[-+*/%^,(){colon}]) | {_DURATION_WORD}){SPACE}""",
        re.VERBOSE,
    )
    for colon in ("", ":")
)
_BRACKETS = re.compile(
    rf"""(?:(?P<close>\]) | (?P<operator>[-+*/%^,():])
    | (?P<number>{_NUMBER}) | (?P<duration>{_DURATION}) | {_DURATION_WORD}){SKIP}""",
    re.VERBOSE,
)
# The last alternative matches the rest of the text if no token begins here. It equals no token, so the
# comparison of tokens fails.
_SPLIT = re.compile(
    rf"""({_WORD} | {_OPERATOR} | {_NUMBER} | {_DURATION} | {STRING} | \{{{LABEL_MATCHERS}\}}
    | \[[^\]\#]*+(?:\#[^\r\n]*+[^\]\#]*+)*\] | .+){SKIP}""",
    re.VERBOSE | re.DOTALL,
)
_PARENTHESIS_NEXT = re.compile(rf"{SPACE}\(")


class Tokens(NamedTuple):
    """The tokens of a text, as three lists of equal length.

    The lists end with two tokens ``END``, so that a look-ahead of one token always exists.

    Attributes:
        text: the text.
        kinds: kind of each token.
        starts: index of its first character.
        parts: the text of each token.
        braces: the matchers of each token of the kind ``BRACES``, by its index.
    """

    text: str
    kinds: list[str]
    starts: list[int]
    parts: list[str]
    braces: dict[int, tuple[Matcher, ...]]


def tokenize(text: str, *, limit: int) -> Tokens:
    """Split a text into tokens.

    Args:
        text: PromQL, without surrogates.
        limit: the maximum number of tokens.

    Raises:
        QueryError: the text contains an invalid token, or more tokens than ``limit``.
    """
    kinds: list[str] = []
    starts: list[int] = []
    parts: list[str] = []
    braces: dict[int, tuple[Matcher, ...]] = {}
    state = _STATEMENT
    start = skip(text, 0)
    while True:
        match = state.match(text, start)
        if match is None:
            raise _refusal(text, start, state)
        kind: str = match.lastgroup  # type: ignore[assignment]  # every alternative is named
        part: str = match[match.lastindex]  # type: ignore[index]
        position = match.end()
        if kind == "operator":
            kind = part
        elif kind == "word":
            kind = _KINDS.get(part.lower(), IDENTIFIER)
            # lex.go, lexKeywordOrIdentifier: white space may precede the parenthesis, a comment may not
            if kind in FILLS and _PARENTHESIS_NEXT.match(text, start + len(part)) is None:
                kind = IDENTIFIER
            if state is _BRACKETS_START:
                state = _BRACKETS_NO_NUMBER
        elif kind == "brace":
            kind = BRACES
            braces[len(kinds)], end, position = label_matchers(text, position)
            part = text[start:end]
        elif kind == "bracket":
            kind = "["
            state = _BRACKETS_START
        elif kind == "close":
            kind = "]"
            state = _STATEMENT
        elif kind == "end":
            if len(kinds) > limit:
                end = starts[limit] + len(parts[limit])
                raise QueryError(f"the query has more than {limit} tokens", text, starts[limit], end)
            return Tokens(text, [*kinds, END, END], [*starts, start, start], [*parts, "", ""], braces)
        elif state is _BRACKETS_START or state is _BRACKETS_NO_NUMBER:
            state = _BRACKETS
        kinds.append(kind)
        starts.append(start)
        parts.append(part)
        start = position


def split(text: str) -> list[str]:
    """Split a text into the texts of its tokens, by a single regular expression.

    The parts are those of :func:`tokenize`, but a pair of brackets with its content is one. An invalid token
    and all that follows it are the last part, which is the text of no token.
    """
    return _SPLIT.findall(text, skip(text, 0))


def _refusal(text: str, start: int, state: re.Pattern[str]) -> QueryError:
    """Return the error for a position where no token starts."""
    if start == len(text):
        return QueryError("unexpected end of input inside brackets", text, start)
    character = text[start]
    if character in "\"'`" and state is _STATEMENT:
        return string_refusal(text, start)
    if character in "0123456789.":
        return digits_refusal(text, start)
    place = "" if state is _STATEMENT else " in a duration"
    return QueryError(f"unexpected character{place}: {shown(character)}", text, start)
