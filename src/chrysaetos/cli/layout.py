"""The table of series for people: labels that all rows share are written once, above the table."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

from chrysaetos.cli.cells import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Layout", "lay_out"]


class Layout(NamedTuple):
    """A table and the lines above it.

    Attributes:
        above: the lines, within the width if possible.
        columns: the names of the remaining columns.
        rows: their cells.
    """

    above: list[str]
    columns: list[str]
    rows: list[tuple[Any, ...]]


def lay_out(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, keep: Collection[str], width: int
) -> Layout:
    """Move the columns that have the same text in all rows, or the text of another column, above the table.

    Args:
        columns: the names of the columns.
        rows: the cells; only text is moved.
        keep: the names of columns that stay.
        width: the width of the lines.
    """
    cells = {name: [row[index] for row in rows] for index, name in enumerate(columns)}
    if len(rows) < 2 and _width(cells) <= width:
        return Layout([], list(columns), [tuple(row) for row in rows])
    shared: dict[str, str] = {}
    equal: list[str] = []
    for name, values in cells.items():
        if name in keep or not rows or not all(isinstance(value, str) for value in values):
            continue
        if len(set(values)) == 1:
            shared[name] = values[0]
        elif original := _equal(name, cells, moved=equal, keep=keep):
            equal.append(name)
            shared[name] = f"as {original}"
    left = [name for name in columns if name not in shared]
    selector = _selector({name: value for name, value in shared.items() if name not in equal and value})
    above = textwrap.wrap(
        selector, max(width, 20), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    above += [f"{printable(name)}: {shared[name]}" for name in equal]
    return Layout(above, left, [tuple(cells[name][row] for name in left) for row in range(len(rows))])


def _equal(
    name: str, cells: dict[str, list[Any]], *, moved: Collection[str], keep: Collection[str]
) -> str | None:
    """Return the other column with the same texts that stays in the table: the one with the longest name."""
    others = [
        other
        for other in cells
        if other != name and other not in moved and other not in keep and cells[other] == cells[name]
    ]
    longest = max(others, key=len, default="")
    return longest if len(longest) > len(name) else None


def _selector(labels: dict[str, str]) -> str:
    name = printable(labels.pop("__name__", ""))
    pairs = ", ".join(f'{printable(label)}="{_escape(value)}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}" if pairs else name


def _escape(value: str) -> str:
    return printable(value.replace("\\", r"\\").replace('"', r"\""))


def _width(cells: dict[str, list[Any]]) -> int:
    """Return the width of the table with borders."""
    widths = [max(len(str(cell)) for cell in (name, *values)) for name, values in cells.items()]
    return sum(widths) + 3 * len(widths) + 1
