"""Tables that ``--verbose`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Table"]


class Table(NamedTuple):
    """A table.

    Attributes:
        name: its name.
        columns: the names of its columns.
        rows: the texts of its rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def __str__(self) -> str:
        """Return the table with aligned columns."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (self.columns, *self.rows)
        )
        return "".join(f"{line}\n" for line in lines)

    def to_json(self) -> list[dict[str, str]]:
        """Return the rows as JSON objects."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]
