"""Changes of a text, and how a place in the changed text is found in the original one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Edit", "edited", "original_index"]

Edit = tuple[int, int, str]
"""Start and end of what is replaced, in characters of the original, and what stands there instead."""


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return a text with edits, which are in the order of the text and do not overlap; itself without any."""
    if not edits:
        return text
    pieces: list[str] = []
    position = 0
    for start, end, written in edits:
        pieces += (text[position:start], written)
        position = end
    pieces.append(text[position:])
    return "".join(pieces)


def original_index(edits: Sequence[Edit], index: int) -> int:
    """Return the index in the original text of an index in the edited one.

    What an edit wrote has the index of the edit's start.
    """
    shift = 0
    for start, end, written in edits:
        if index < start + shift:
            break
        if index < start + shift + len(written):
            return start
        shift += len(written) - (end - start)
    return index - shift
