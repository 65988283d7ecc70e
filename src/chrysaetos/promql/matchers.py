"""The braces of a vector selector: text → matchers.

Inside braces keywords are plain identifiers and nothing nests, so one regular expression reads a matcher.
Text that it does not match is read again token by token, for the error message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn, cast

from chrysaetos.errors import QueryError
from chrysaetos.promql.ast import Matcher
from chrysaetos.promql.lexemes import IDENTIFIER, SKIP, STRING, shown, skip, string_refusal
from chrysaetos.promql.strings import unquote

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from chrysaetos.promql.ast import MatchOp

__all__ = ["LABEL_MATCHERS", "is_matcher", "label_matchers"]

_OPERATOR = "=~|!~|!=|="
_MATCHER = re.compile(
    rf"{SKIP}(?:({IDENTIFIER})|({STRING}))(?:{SKIP}({_OPERATOR}){SKIP}({STRING}))?{SKIP}([,}}]){SKIP}",
    re.VERBOSE,
)
_ONE = rf"(?:{IDENTIFIER}|{STRING}){SKIP}(?:{_OPERATOR}){SKIP}{STRING}"
_ONE_OR_NAME = rf"{SKIP}(?:{_ONE}|{STRING}){SKIP}"
LABEL_MATCHERS = rf"(?:{_ONE_OR_NAME}(?:,{_ONE_OR_NAME})*,?)?{SKIP}"
"""The inside of braces as a regular expression without groups."""
_ONE_MATCHER = re.compile(_ONE, re.VERBOSE)
_CLOSE = re.compile(rf"{SKIP}(\}}){SKIP}", re.VERBOSE)
_TOKEN = re.compile(
    rf"(?P<identifier>{IDENTIFIER})|(?P<string>{STRING})|(?P<operator>{_OPERATOR}|[,}}])", re.VERBOSE
)
_NAMES = frozenset({"identifier", "string"})
_OPERATORS = frozenset({"=~", "!~", "!=", "="})


def label_matchers(text: str, position: int) -> tuple[tuple[Matcher, ...], int, int]:
    """``label_matchers : "{" [label_matcher {"," label_matcher} [","]] "}"``.

    ``label_matcher : IDENTIFIER match_op STRING | STRING match_op STRING | STRING``. A string without an
    operator is the metric's name.

    Args:
        text: the query.
        position: index after the opening brace.

    Returns:
        The matchers, the index after the closing brace, and the index of the next token.

    Raises:
        QueryError: the text is not a list of matchers.
    """
    found: list[Matcher] = []
    while match := _MATCHER.match(text, position):
        label, quoted, op, value, after = match.groups()
        if op is not None:
            start = match.start(1 if quoted is None else 2)
            found.append(Matcher(start, match.end(4), label or unquote(quoted), cast("MatchOp", op), value))
        elif label is None:
            found.append(Matcher(match.start(2), match.end(2), "__name__", "=", quoted))
        else:
            _refuse(text, position)
        position = match.end()
        if after == "}":
            return tuple(found), match.end(5), position
    close = _CLOSE.match(text, position)
    if close is None:
        _refuse(text, position)
    return tuple(found), close.end(1), close.end()


def is_matcher(text: str) -> bool:
    """Return whether a text is one matcher with an operator, and nothing else."""
    return _ONE_MATCHER.fullmatch(text) is not None


def _refuse(text: str, position: int) -> NoReturn:
    """Raise the error for the invalid matcher at a position."""
    first, position = _expect(text, position, _NAMES, 'identifier or "}"')
    if first == "identifier" or _next(text, position)[0] in _OPERATORS:
        _, position = _expect(text, position, _OPERATORS, "label matching operator")
        _, position = _expect(text, position, {"string"}, "string")
    _unexpected(text, position, '"," or "}"')


def _expect(text: str, position: int, kinds: AbstractSet[str], expected: str) -> tuple[str, int]:
    """Step over a token of the given kinds. Return its kind and the index after it."""
    kind, _, end = _next(text, position)
    if kind not in kinds:
        _unexpected(text, position, expected)
    return kind, end


def _unexpected(text: str, position: int, expected: str) -> NoReturn:
    """Raise an error about the next token."""
    kind, start, end = _next(text, position)
    what = f"{kind} {shown(text[start:end])}" if kind in _NAMES else shown(kind)
    raise QueryError(f"unexpected {what} in label matching, expected {expected}", text, start, end)


def _next(text: str, position: int) -> tuple[str, int, int]:
    """Return the kind and span of the next token. The kind of an operator is the operator."""
    start = skip(text, position)
    match = _TOKEN.match(text, start)
    if match is not None:
        kind: str = match.lastgroup  # type: ignore[assignment]  # every alternative is named
        return match[0] if kind == "operator" else kind, start, match.end()
    if start == len(text):
        raise QueryError("unexpected end of input inside braces", text, start)
    if text[start] in "\"'`":
        raise string_refusal(text, start)
    raise QueryError(f"unexpected character inside braces: {shown(text[start])}", text, start)
