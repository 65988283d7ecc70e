"""Show the changes of a file as a unified diff without secrets."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["MASK", "mask_secrets", "unified_diff"]

MASK = "***"

_SECRET = re.compile(
    r"passw|secret|token|credential|private|_key\b|\bkey\b|transport_url|connection|sasl", re.IGNORECASE
)
"""Names of settings whose value may be a secret; matches too many rather than too few."""
_PUBLIC = frozenset({"scope_key"})
"""Names that match but are no secrets: a label, which operators have to compare."""
_SETTING = re.compile(r"(?P<head>[#;\s]*(?P<key>[^=:]+?)\s*[=:]\s*)(?P<value>.*)")
_CONTINUATION = re.compile(r"(?:# )?[ \t]")
"""A continuation of a value, which may be commented out."""
_USERINFO = re.compile(r"(?<=://)\S*@")


def mask_secrets(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a configuration file with possible secrets replaced by ``MASK``."""
    hidden = False
    for line in lines:
        if hidden and _CONTINUATION.match(line):
            yield MASK
            continue
        match = _SETTING.fullmatch(line)
        hidden = bool(match and match["key"] not in _PUBLIC and _SECRET.search(match["key"]))
        if match and hidden:
            yield match["head"] + MASK
        else:
            yield _USERINFO.sub(f"{MASK}@", line)


def unified_diff(name: str, old: Sequence[str], new: Sequence[str]) -> str:
    """Return the unified diff of two versions of a file; empty if they are equal.

    Args:
        name: the file's name.
        old: the old lines, without line ends.
        new: the new lines, without line ends.
    """
    lines = difflib.unified_diff(
        list(mask_secrets(old)), list(mask_secrets(new)), name, f"{name} (new)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)
