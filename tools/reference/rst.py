"""reStructuredText from data: headings, tables and literal texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["code", "escaped", "heading", "indented", "literal", "table"]

_MARKUP = re.compile(r"[\\*`|_]")


def escaped(text: str) -> str:
    """Return a text in which no character is markup."""
    return _MARKUP.sub(r"\\\g<0>", text)


def literal(text: str) -> str:
    """Return an inline literal; empty for an empty text."""
    return f"``{text}``" if text else ""


def code(text: str) -> str:
    """Return a block of literal lines."""
    return f".. code-block:: text\n\n{indented(text.rstrip())}\n\n"


def heading(text: str, underline: str) -> str:
    """Return a heading, followed by an empty line."""
    return f"{escaped(text)}\n{underline * (2 * len(text))}\n\n"


def indented(text: str) -> str:
    """Return a text as the content of a directive."""
    return "".join(f"   {line}" if line.strip() else line for line in text.splitlines(keepends=True))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Args:
        header: the titles of the columns.
        rows: the cells, as reStructuredText.
    """
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for number, cell in enumerate(row):
            mark = "*" if number == 0 else " "
            lines.append(f"   {mark} - {cell}".rstrip())
    return "\n".join(lines) + "\n\n"
