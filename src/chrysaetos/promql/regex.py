"""Find out whether an RE2 regular expression matches the empty string.

Prometheus refuses a selector all of whose matchers match the empty string, since it would select everything.
To report that for the caller's own text, the parser must know it without running the expression: Python's
``re`` is another language, and takes exponential time for some expressions. So the expression is scanned once
from left to right (syntax: github.com/google/re2, "Syntax"), tracking only whether each part can be empty.
"""

from __future__ import annotations

import re

__all__ = ["matches_empty"]

_GROUP = re.compile(r"\((?:\?(?:P?<[A-Za-z0-9_]+>|[imsU]*(?:-[imsU]+)?:))?")
_NOTHING = re.compile(r"\(\?[imsU]*(?:-[imsU]+)?\)|\\Q(?:\\E|\Z)")
"""Flags and empty quotations, which a repetition after them ignores."""
# Go's regexp/syntax, parser.repeat: a count with a leading zero is no count. A "?" after it makes it lazy.
_REPETITION = re.compile(r"(?:([*+?])|\{(0|[1-9][0-9]*+)(?:,(?:0|[1-9][0-9]*+)?)?\})\??")
_CLASS_MEMBER = re.compile(r"\[:\^?[a-z]++:\]|\\.|[^\]\\]", re.DOTALL)
_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(?:[pPx]\{[^}]{0,64}\}|x..|[pP].|[0-7]{1,3}|.|\Z)", re.DOTALL)
# Assertions that hold on the empty string. \b does not: there is no word character beside it.
_HOLDS_ON_EMPTY = frozenset("AzB")


def matches_empty(pattern: str) -> bool:
    """Return whether an anchored match of the empty string succeeds.

    Args:
        pattern: the unquoted value of a matcher. For an expression that RE2 would refuse the result is
            undefined; Prometheus reports the error.
    """
    # For each open group: whether an alternative before this one, and the sequence so far, can be empty.
    stack: list[tuple[bool, bool]] = []
    alternative, sequence, atom = False, True, True
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character in "(\\" and (nothing := _NOTHING.match(pattern, position)):
            width = len(nothing[0])
        elif character == "(":
            group = _GROUP.match(pattern, position)
            width = 1 if group is None else len(group[0])
            stack.append((alternative, sequence and atom))
            alternative, sequence, atom = False, True, True
        elif character == ")":
            width = 1
            atom = alternative or (sequence and atom)
            alternative, sequence = stack.pop() if stack else (False, True)
        elif character == "|":
            width = 1
            alternative, sequence, atom = alternative or (sequence and atom), True, True
        elif character in "*+?{" and (repetition := _REPETITION.match(pattern, position)):
            width = len(repetition[0])
            atom = atom or repetition[1] in {"*", "?"} or repetition[2] == "0"
        else:
            width, prefix, last = _atom(pattern, position)
            sequence, atom = sequence and atom and prefix, last
        position += width
    return alternative or (sequence and atom)


def _atom(pattern: str, position: int) -> tuple[int, bool, bool]:
    """Return the length of the atoms here, whether all but the last may be empty, and whether that may."""
    character = pattern[position]
    if character == "\\":
        quoted = _QUOTED.match(pattern, position)
        if quoted is not None:
            return len(quoted[0]), len(quoted[1]) == 1, False
        escaped = _ESCAPED.match(pattern, position)
        width = 1 if escaped is None else len(escaped[0])
        return width, True, pattern[position + 1 : position + width] in _HOLDS_ON_EMPTY
    if character == "[":
        return _class_length(pattern, position), True, False
    return 1, True, character in "^$"


def _class_length(pattern: str, position: int) -> int:
    """Return the length of a bracketed class. A ``]`` in first place is a member."""
    end = position + 1
    if pattern[end : end + 1] == "^":
        end += 1
    if pattern[end : end + 1] == "]":
        end += 1
    while member := _CLASS_MEMBER.match(pattern, end):
        end = member.end()
    return end + 1 - position
