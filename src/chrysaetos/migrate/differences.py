"""What would change in a file, for people to read: a unified diff without secrets."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["MASK", "masked", "unified"]

MASK = "***"

_SECRET = re.compile(
    r"passw|secret|token|credential|private|_key\b|\bkey\b|transport_url|connection|sasl", re.IGNORECASE
)
"""Names of settings whose value may be a secret: rather too many than too few."""
_SETTING = re.compile(r"(?P<head>[#;\s]*(?P<key>[^=:]+?)\s*[=:]\s*)(?P<value>.*)")
_CONTINUATION = re.compile(r"(?:# )?[ \t]")
"""Of a value that may have been made a comment."""
_USERINFO = re.compile(r"(?<=://)\S*@")


def masked(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a configuration file, with what may be a secret replaced by `MASK`."""
    hidden = False
    for line in lines:
        if hidden and _CONTINUATION.match(line):
            yield MASK
            continue
        match = _SETTING.fullmatch(line)
        hidden = bool(match and _SECRET.search(match["key"]))
        if match and hidden:
            yield match["head"] + MASK
        else:
            yield _USERINFO.sub(f"{MASK}@", line)


def unified(name: str, old: Sequence[str], new: Sequence[str]) -> str:
    """The difference of two versions of a file as text; empty when they are equal.

    Args:
        name: the file's.
        old: its lines, without line ends.
        new: what they become.
    """
    lines = difflib.unified_diff(list(masked(old)), list(masked(new)), name, f"{name} (new)", lineterm="")
    return "".join(f"{line}\n" for line in lines)
