"""Results as the columns and rows that cliff writes as table, JSON, CSV, YAML or text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cliff.columns import FormattableColumn

from chrysaetos.client.samples import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chrysaetos.client.samples import Value

    Column = FormattableColumn[Any]
else:
    # Releases of cliff before it had types give it no parameter.
    Column = FormattableColumn

__all__ = [
    "Column",
    "HistogramCell",
    "Text",
    "label_columns",
    "label_names",
    "number",
    "printable",
    "text",
    "value",
]

_EXACT_INTEGERS = 2**53


class Text(Column):
    """A text with characters that would steer a terminal: a table shows them escaped."""

    def human_readable(self) -> str:
        """The text with escapes."""
        return printable(self._value)


class HistogramCell(Column):
    """A native histogram."""

    def human_readable(self) -> str:
        """How many observations, and their sum."""
        return f"count {number(self._value.count)}, sum {number(self._value.sum)}"

    def machine_readable(self) -> dict[str, Any]:
        """The whole histogram."""
        return {
            "count": number(self._value.count),
            "sum": number(self._value.sum),
            "buckets": [
                [bucket.boundaries, number(bucket.lower), number(bucket.upper), number(bucket.count)]
                for bucket in self._value.buckets
            ],
        }


def printable(text: str) -> str:
    """A text in which what is not printable is escaped as in a Python string."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def text(value: str) -> str | Text:
    """A label's value, or another text of a server's."""
    return value if value.isprintable() else Text(value)


def number(value: Value) -> float | int | str:
    """A number as JSON can hold it: NaN and the infinities as text, integers without a fraction."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    value = float(value)
    return int(value) if value.is_integer() and abs(value) < _EXACT_INTEGERS else value


def value(sample: Value | Histogram | str) -> float | int | str | Column:
    """A sample's value."""
    if isinstance(sample, str):
        return text(sample)
    return HistogramCell(sample) if isinstance(sample, Histogram) else number(sample)


def label_names(series: Iterable[Mapping[str, str]]) -> list[str]:
    """All label names of some series: the metric's name first, then in their order."""
    names = {name for labels in series for name in labels}
    return sorted(names, key=lambda name: (name != "__name__", name))


def label_columns(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Names of columns for labels beside other columns: a label that is called as one of those is renamed."""
    return [f"label_{name}" if name in others else name for name in names]
