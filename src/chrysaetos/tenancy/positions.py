"""Positions in an upstream's error: from the scoped text, which the upstream read, to the caller's text.

Prometheus says where a text is wrong, and where an annotation belongs, as a line and a column, both from 1,
the column in bytes (``promql/parser/parse.go``: ``ParseErr.Error``; ``promql/parser/posrange``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chrysaetos.tenancy.edits import edited, original_index

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chrysaetos.tenancy.edits import Edit

__all__ = ["restored"]

_ERROR = re.compile(r"\b([0-9]{1,9}):([0-9]{1,9})(?=: parse error)")
_ANNOTATION = re.compile(r"(?<=\()([0-9]{1,9}):([0-9]{1,9})(?=\)$)")


def restored(message: str, text: str, stages: Callable[[], Sequence[Sequence[Edit]]]) -> str:
    """Return a message with the position that the caller's own text has.

    Args:
        message: an error, or a warning of Prometheus.
        text: the caller's text.
        stages: called if the message has a position: what was changed in the text, and then in the result,
            and so on, each in the order of its text and without overlaps.

    Returns:
        The message as it is, if it has no position, or one that is not in the text that the upstream read.
    """
    match = _ERROR.search(message) or _ANNOTATION.search(message)
    if match is None:
        return message
    changes = stages()
    sent = text
    for edits in changes:
        sent = edited(sent, edits)
    offset = _offset(sent, int(match[1]), int(match[2]))
    if offset is None:
        return message
    for edits in reversed(changes):
        offset = original_index(edits, offset)
    return f"{message[: match.start()]}{_place(text, offset)}{message[match.end() :]}"


def _offset(text: str, line: int, column: int) -> int | None:
    """Return the index of a place in a text, None if the text does not have it."""
    lines = text.split("\n")
    if not 0 < line <= len(lines):
        return None
    encoded = lines[line - 1].encode()
    if not 0 < column <= len(encoded) + 1:
        return None
    before = sum(len(each) + 1 for each in lines[: line - 1])
    return before + len(encoded[: column - 1].decode("utf-8", "ignore"))


def _place(text: str, offset: int) -> str:
    """Return the line and the column of an index."""
    before = text[:offset].split("\n")
    return f"{len(before)}:{len(before[-1].encode()) + 1}"
