r"""Regular expressions for the smallest parts of PromQL, and the errors for text that matches none.

Prometheus' own lexer (``promql/parser/lex.go``, 3.16) is the specification. The expressions are for
``re.VERBOSE``.

Each of them takes linear time: a repetition of a group can only be given up at a character that nothing after
it matches. Only repetitions of a single character are possessive. Up to Python 3.11.4, a possessive group
that fails half-way leaves the match in a wrong state (CPython issue 106052), so the result must not depend on
one.
"""

from __future__ import annotations

import re

from chrysaetos.errors import QueryError

__all__ = ["IDENTIFIER", "SKIP", "SPACE", "STRING", "digits_refusal", "shown", "skip", "string_refusal"]

SPACE = r"[ \t\r\n]*+"
SKIP = rf"{SPACE}(?:\#[^\r\n]*+{SPACE})*"
"""White space and comments between two tokens."""

IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*+"

# lexEscape: Go's escapes, of the quotes only the one in use; no surrogates.
_ESCAPE = r"""(?:[abfnrtv\\]|[0-3][0-7]{2}|x[0-9a-fA-F]{2}
    |u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|U000(?:0(?![dD][89a-fA-F])|[1-9a-fA-F])[0-9a-fA-F]{4}
    |U0010[0-9a-fA-F]{4})"""
# lexString and lexRawString refuse U+FFFD, since they cannot tell it from a byte that is not UTF-8.
STRING = rf"""(?:
     "[^"\\\n\ufffd]*+(?:\\(?:"|{_ESCAPE})[^"\\\n\ufffd]*+)*"
    |'[^'\\\n\ufffd]*+(?:\\(?:'|{_ESCAPE})[^'\\\n\ufffd]*+)*'
    |`[^`\ufffd]*+`)"""
"""A string literal in any of the three quotes."""

_STRING_PARTS = {
    quote: re.compile(rf"(?:[^{quote}\\\n\ufffd]++|\\(?:{quote}|{_ESCAPE}))*", re.VERBOSE) for quote in "\"'"
} | {"`": re.compile("[^`\ufffd]*+")}
_DIGITS = re.compile(r"[0-9A-Za-z_.]*+")
_SKIPPED = re.compile(SKIP, re.VERBOSE)


def skip(text: str, position: int) -> int:
    """Return the index of the next token, given a position between tokens."""
    return _SKIPPED.match(text, position).end()  # type: ignore[union-attr]  # it matches nothing, too


def string_refusal(text: str, start: int) -> QueryError:
    """Return the error for a quote that does not start a valid string."""
    end = _STRING_PARTS[text[start]].match(text, start + 1).end()  # type: ignore[union-attr]  # see skip()
    if end == len(text) or text[end] == "\n":
        return QueryError("unterminated quoted string", text, start, end)
    if text[end] == "\ufffd":
        return QueryError("invalid UTF-8 in a quoted string", text, end)
    return QueryError("unknown or incomplete escape sequence in a quoted string", text, end, end + 2)


def digits_refusal(text: str, start: int) -> QueryError:
    """Return the error for a digit or a dot that does not start a valid number or duration."""
    end = _DIGITS.match(text, start).end()  # type: ignore[union-attr]  # see skip()
    return QueryError(f"bad number or duration syntax: {shown(text[start:end])}", text, start, end)


def shown(part: str) -> str:
    """Return a part of the text for an error message: quoted, shortened, on one line."""
    return ascii(part if len(part) <= 20 else f"{part[:20]}...")
