"""Samples, series and native histograms as views of the decoded JSON, converted when they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from chrysaetos.client.times import aware

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Bucket", "Histogram", "Number", "Row", "Sample", "Series", "Value"]

Value = float | Decimal
Number = Callable[[str], Value]
"""Parses a number in Prometheus' notation: ``float`` or ``Decimal``, which both accept NaN, +Inf and -Inf."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a native histogram.

    Attributes:
        boundaries: 0 open left, 1 open right, 2 open on both sides, 3 closed on both sides.
        lower, upper: the bounds.
        count: the number of observations.
    """

    boundaries: int
    lower: Value
    upper: Value
    count: Value


class Histogram:
    """A native histogram.

    Args:
        raw: the histogram as Prometheus' API returns it: ``count``, ``sum``, ``buckets``.
        number: the type of the numbers.
    """

    __slots__ = ("_number", "_raw")

    def __init__(self, raw: dict[str, Any], number: Number) -> None:
        self._raw = raw
        self._number = number

    @property
    def count(self) -> Value:
        """The number of observations."""
        return self._number(self._raw["count"])

    @property
    def sum(self) -> Value:
        """The sum of the observations."""
        return self._number(self._raw["sum"])

    @property
    def buckets(self) -> list[Bucket]:
        """The buckets that are not empty, in ascending order."""
        number = self._number
        return [
            Bucket(boundaries, number(lower), number(upper), number(count))
            for boundaries, lower, upper, count in self._raw.get("buckets", ())
        ]

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, sum={self.sum}, buckets={self.buckets})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._raw == other._raw

    __hash__ = None  # type: ignore[assignment]  # it is mutable


class Row(NamedTuple):
    """One sample of any result.

    Attributes:
        labels: the labels, including ``__name__`` if present.
        time: an aware datetime or seconds since the epoch, as requested.
        value: a number, a native histogram, or the text of a string result.
    """

    labels: dict[str, str]
    time: datetime | float
    value: Value | Histogram | str


class _Labelled:
    """An entry of a vector or matrix.

    Attributes:
        labels: the labels, including ``__name__`` if present.
    """

    __slots__ = ("_number", "_raw", "labels")

    def __init__(self, raw: dict[str, Any], number: Number) -> None:
        self.labels: dict[str, str] = raw["metric"]
        self._raw = raw
        self._number = number

    @property
    def name(self) -> str:
        """The metric's name; empty if a function has removed it."""
        return self.labels.get("__name__", "")


class Sample(_Labelled):
    """One sample of a vector.

    Attributes:
        labels: the labels, including ``__name__`` if present.
        time: seconds since the epoch.
    """

    __slots__ = ("time",)

    def __init__(self, raw: dict[str, Any], number: Number) -> None:
        super().__init__(raw, number)
        self.time: float = (raw.get("value") or raw["histogram"])[0]

    @property
    def value(self) -> Value | None:
        """The value; None for a native histogram."""
        pair = self._raw.get("value")
        return None if pair is None else self._number(pair[1])

    @property
    def histogram(self) -> Histogram | None:
        """The native histogram; None for a number."""
        pair = self._raw.get("histogram")
        return None if pair is None else Histogram(pair[1], self._number)

    @property
    def when(self) -> datetime:
        """The time as an aware datetime in UTC."""
        return aware(self.time)

    def __repr__(self) -> str:
        value = self.histogram if self.value is None else self.value
        return f"Sample({self.labels}, {self.time}, {value})"


class Series(_Labelled):
    """One series of a matrix.

    Attributes:
        labels: the labels, including ``__name__`` if present.
    """

    __slots__ = ()

    @property
    def values(self) -> list[Value]:
        """The values in order of time, without native histograms."""
        number = self._number
        return [number(value) for _, value in self._raw.get("values", ())]

    @property
    def times(self) -> list[float]:
        """The times of ``values`` in seconds since the epoch."""
        return [time for time, _ in self._raw.get("values", ())]

    @property
    def points(self) -> list[tuple[float, Value]]:
        """Pairs of time in seconds and value."""
        number = self._number
        return [(time, number(value)) for time, value in self._raw.get("values", ())]

    @property
    def histograms(self) -> list[tuple[float, Histogram]]:
        """Pairs of time in seconds and native histogram."""
        return [(time, Histogram(raw, self._number)) for time, raw in self._raw.get("histograms", ())]

    def __len__(self) -> int:
        return len(self._raw.get("values", ())) + len(self._raw.get("histograms", ()))

    def __repr__(self) -> str:
        return f"Series({self.labels}, {len(self)} samples)"
