"""Convert results to the cells that cliff writes as a table, JSON, CSV, YAML or text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cliff.columns import FormattableColumn

from chrysaetos.cli.units import humanize
from chrysaetos.client.samples import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chrysaetos.client.samples import Value

    Column = FormattableColumn[Any]
else:
    # In older releases of cliff the class is not generic.
    Column = FormattableColumn

__all__ = [
    "Column",
    "Quantity",
    "Text",
    "align_quantities",
    "label_columns",
    "label_names",
    "number",
    "printable",
    "printable_cells",
    "printable_columns",
    "text",
    "value",
]

_EXACT_INTEGERS = 2**53


class Text(Column):
    """Text with control characters, which a table shows escaped."""

    def human_readable(self) -> str:
        """Return the text with escapes."""
        return printable(self._value)


class _HistogramCell(Column):
    """A native histogram."""

    def human_readable(self) -> str:
        """Return the number of observations and their sum."""
        return f"count {number(self._value.count)}, sum {number(self._value.sum)}"

    def machine_readable(self) -> dict[str, Any]:
        """Return the whole histogram."""
        return {
            "count": number(self._value.count),
            "sum": number(self._value.sum),
            "buckets": [
                [bucket.boundaries, number(bucket.lower), number(bucket.upper), number(bucket.count)]
                for bucket in self._value.buckets
            ],
        }


class Quantity(Column):
    """A number, which a table shows for people.

    Args:
        number: the number.
        unit: its unit, as of ``units.unit_of``.
    """

    width = 0

    def __init__(self, number: float, unit: str = "") -> None:
        super().__init__(number)
        self.text = humanize(number, unit)

    def human_readable(self) -> str:
        """Return the number with its unit, aligned to the right of the column."""
        return self.text.rjust(self.width)

    def machine_readable(self) -> float | int | str:
        """Return the exact number."""
        return number(self._value)


def align_quantities(rows: Iterable[Sequence[Any]]) -> None:
    """Give the quantities of each column the same width."""
    for cells in zip(*rows, strict=True):
        quantities = [cell for cell in cells if isinstance(cell, Quantity)]
        width = max((len(cell.text) for cell in quantities), default=0)
        for cell in quantities:
            cell.width = width


def printable(text: str) -> str:
    """Return the text with unprintable characters escaped as in a Python string."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_cells(cells: Any) -> Any:
    """Return rows or cells in which text is escaped as by ``printable``."""
    if isinstance(cells, str):
        return printable(cells)
    if isinstance(cells, Text):
        return cells.human_readable()
    if isinstance(cells, list | tuple):
        return type(cells)(map(printable_cells, cells))
    return cells


def printable_columns(names: Iterable[str]) -> list[str]:
    """Return escaped column names. Duplicates get underscores, since a table needs unique names."""
    columns: list[str] = []
    for name in map(printable, names):
        unique = name
        while unique in columns:
            unique += "_"
        columns.append(unique)
    return columns


def text(value: str) -> str | Text:
    """Return the cell of a label's value, or of other text from a server."""
    return value if value.isprintable() else Text(value)


def number(value: Value) -> float | int | str:
    """Return the cell of a number, valid in JSON: NaN and infinities as text, integers without a fraction."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    value = float(value)
    return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGERS else value


def value(sample: Value | Histogram | str) -> float | int | str | Column:
    """Return the cell of a sample's value."""
    if isinstance(sample, str):
        return text(sample)
    return _HistogramCell(sample) if isinstance(sample, Histogram) else number(sample)


def label_names(series: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the label names of all series in order, the metric's name first."""
    names = {name for labels in series for name in labels}
    return sorted(names, key=lambda name: (name != "__name__", name))


def label_columns(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the column names of labels; a label with the name of another column becomes ``label_NAME``."""
    return [f"label_{name}" if name in others else name for name in names]
