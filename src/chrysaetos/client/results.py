"""What queries give: vector, matrix, scalar, string, as views over the decoded JSON.

Nothing is converted before somebody looks at it: a vector of 100,000 samples costs its JSON and one list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar, overload

from chrysaetos.client.errors import MissingPackage, UnexpectedResult
from chrysaetos.client.times import aware

if TYPE_CHECKING:
    from datetime import datetime

    from pandas import DataFrame

__all__ = [
    "Bucket",
    "Histogram",
    "Listing",
    "Matrix",
    "Result",
    "Row",
    "Sample",
    "Scalar",
    "Series",
    "String",
    "Value",
    "Vector",
]

Value = float | Decimal
Number = Callable[[str], Value]
"""Reads a number as Prometheus writes it: `float` or `Decimal`. Both know `NaN`, `+Inf` and `-Inf`."""

Times = Literal["datetime", "seconds"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a native histogram.

    Attributes:
        boundaries: 0: open left, 1: open right, 2: open both, 3: closed both.
        lower, upper: its bounds.
        count: observations in it.
    """

    boundaries: int
    lower: Value
    upper: Value
    count: Value


class Histogram:
    """A native histogram.

    Args:
        raw: `count`, `sum`, `buckets` as Prometheus' API gives them.
        number: what its numbers become.
    """

    __slots__ = ("_number", "_raw")

    def __init__(self, raw: dict[str, Any], number: Number) -> None:
        self._raw = raw
        self._number = number

    @property
    def count(self) -> Value:
        """How many observations."""
        return self._number(self._raw["count"])

    @property
    def sum(self) -> Value:
        """The sum of the observations."""
        return self._number(self._raw["sum"])

    @property
    def buckets(self) -> list[Bucket]:
        """Its buckets that are not empty, from the lowest."""
        number = self._number
        return [
            Bucket(boundaries, number(lower), number(upper), number(count))
            for boundaries, lower, upper, count in self._raw.get("buckets", ())
        ]

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, sum={self.sum}, buckets={self.buckets})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._raw == other._raw

    __hash__ = None  # type: ignore[assignment]  # it holds what can change


class Row(NamedTuple):
    """One sample of any result.

    Attributes:
        labels: its labels, with `__name__` where there is one.
        time: aware datetime or seconds, as asked for.
        value: a number, a native histogram, or the text of a string result.
    """

    labels: dict[str, str]
    time: datetime | float
    value: Value | Histogram | str


class _Result:
    """What all results have.

    Attributes:
        type: Prometheus' `resultType`.
        warnings, infos: what the server had to say about the query.
    """

    type: ClassVar[str]

    def __init__(self, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> None:
        self.warnings = list(warnings)
        self.infos = list(infos)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Each sample as one row.

        Args:
            times: what their times are: `"datetime"` (aware, UTC) or `"seconds"` (since the epoch).
        """
        raise NotImplementedError

    def to_frame(self, times: Times = "datetime") -> DataFrame:
        """A pandas frame: a column for each label, then `time` and `value`, one row for each sample.

        A label that is itself called `time` or `value` becomes `label_time` or `label_value`.

        Raises:
            MissingPackage: pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415  # it is optional and takes long
        except ImportError as error:
            raise MissingPackage("frames need pandas: pip install pandas") from error
        rows = list(self.rows("seconds"))
        names = dict.fromkeys(name for row in rows for name in row.labels)
        columns: dict[str, Any] = {
            f"label_{name}" if name in {"time", "value"} else name: [row.labels.get(name) for row in rows]
            for name in names
        }
        seconds = [row.time for row in rows]
        columns["time"] = (
            seconds
            if times == "seconds"
            else pandas.to_datetime([round(float(t) * 1000) for t in seconds], unit="ms", utc=True)  # type: ignore[arg-type]
        )
        columns["value"] = [row.value for row in rows]
        return pandas.DataFrame(columns)


def _shown(seconds: float, times: Times) -> datetime | float:
    return aware(seconds) if times == "datetime" else seconds


class Sample:
    """One sample of a vector.

    Attributes:
        labels: its labels, with `__name__` where there is one.
        time: seconds since the epoch.
    """

    __slots__ = ("_number", "_raw", "labels", "time")

    def __init__(self, raw: dict[str, Any], number: Number) -> None:
        self.labels: dict[str, str] = raw["metric"]
        self.time: float = (raw.get("value") or raw["histogram"])[0]
        self._raw = raw
        self._number = number

    @property
    def name(self) -> str:
        """The metric's name; empty where a function has dropped it."""
        return self.labels.get("__name__", "")

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
        """Its time, aware, in UTC."""
        return aware(self.time)

    def __repr__(self) -> str:
        value = self.histogram if self.value is None else self.value
        return f"Sample({self.labels}, {self.time}, {value})"


class Series:
    """One series of a matrix.

    Attributes:
        labels: its labels, with `__name__` where there is one.
    """

    __slots__ = ("_number", "_raw", "labels")

    def __init__(self, raw: dict[str, Any], number: Number) -> None:
        self.labels: dict[str, str] = raw["metric"]
        self._raw = raw
        self._number = number

    @property
    def name(self) -> str:
        """The metric's name; empty where a function has dropped it."""
        return self.labels.get("__name__", "")

    @property
    def values(self) -> list[Value]:
        """The values, from the oldest. Native histograms are in `histograms`."""
        number = self._number
        return [number(value) for _, value in self._raw.get("values", ())]

    @property
    def times(self) -> list[float]:
        """When they are, in seconds since the epoch."""
        return [time for time, _ in self._raw.get("values", ())]

    @property
    def points(self) -> list[tuple[float, Value]]:
        """Times in seconds with their values."""
        number = self._number
        return [(time, number(value)) for time, value in self._raw.get("values", ())]

    @property
    def histograms(self) -> list[tuple[float, Histogram]]:
        """Times in seconds with their native histograms."""
        return [(time, Histogram(raw, self._number)) for time, raw in self._raw.get("histograms", ())]

    def __len__(self) -> int:
        return len(self._raw.get("values", ())) + len(self._raw.get("histograms", ()))

    def __repr__(self) -> str:
        return f"Series({self.labels}, {len(self)} samples)"


class _Several(_Result, Sequence[T]):
    """A result of several entries, each made when it is looked at.

    Attributes:
        raw: the entries as the API gives them.
    """

    def __init__(
        self,
        raw: list[dict[str, Any]],
        number: Number = float,
        warnings: Sequence[str] = (),
        infos: Sequence[str] = (),
    ) -> None:
        super().__init__(warnings, infos)
        self.raw = raw
        self._number = number

    def __len__(self) -> int:
        return len(self.raw)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._entry(raw) for raw in self.raw[index]]
        return self._entry(self.raw[index])

    def _entry(self, raw: dict[str, Any]) -> T:
        raise NotImplementedError

    def __iter__(self) -> Iterator[T]:
        return map(self._entry, self.raw)

    def one(self) -> T | None:
        """The only entry; None when there is none.

        Raises:
            UnexpectedResult: there are several.
        """
        if len(self.raw) > 1:
            raise UnexpectedResult(f"one series was expected, and there are {len(self.raw)}")
        return self[0] if self.raw else None

    def by(self, label: str) -> dict[str, T]:
        """The entries by the value of a label; `""` for one without it.

        Raises:
            UnexpectedResult: two entries have the same value.
        """
        found: dict[str, T] = {}
        for raw, entry in zip(self.raw, self, strict=True):
            value = raw["metric"].get(label, "")
            if value in found:
                raise UnexpectedResult(f"there are several series with {label}={value!r}")
            found[value] = entry
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} series)"


class Vector(_Several[Sample]):
    """One sample each of any number of series, all at one time."""

    type = "vector"

    def _entry(self, raw: dict[str, Any]) -> Sample:
        return Sample(raw, self._number)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Each sample as one row."""
        number = self._number
        for raw in self.raw:
            pair = raw.get("value")
            if pair is not None:
                yield Row(raw["metric"], _shown(pair[0], times), number(pair[1]))
            else:
                time, histogram = raw["histogram"]
                yield Row(raw["metric"], _shown(time, times), Histogram(histogram, number))


class Matrix(_Several[Series]):
    """Samples over time of any number of series."""

    type = "matrix"

    def _entry(self, raw: dict[str, Any]) -> Series:
        return Series(raw, self._number)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Each sample as one row, series by series."""
        number = self._number
        for raw in self.raw:
            labels = raw["metric"]
            for time, value in raw.get("values", ()):
                yield Row(labels, _shown(time, times), number(value))
            for time, histogram in raw.get("histograms", ()):
                yield Row(labels, _shown(time, times), Histogram(histogram, number))


class Scalar(_Result):
    """A number without labels.

    Attributes:
        time: seconds since the epoch.
        value: the number.
    """

    type = "scalar"

    def __init__(
        self, raw: list[Any], number: Number = float, warnings: Sequence[str] = (), infos: Sequence[str] = ()
    ) -> None:
        super().__init__(warnings, infos)
        self.time: float = raw[0]
        self.value = number(raw[1])

    @property
    def when(self) -> datetime:
        """Its time, aware, in UTC."""
        return aware(self.time)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """The number as one row without labels."""
        yield Row({}, _shown(self.time, times), self.value)

    def __repr__(self) -> str:
        return f"Scalar({self.time}, {self.value})"


class String(_Result):
    """A text.

    Attributes:
        time: seconds since the epoch.
        value: the text.
    """

    type = "string"

    def __init__(self, raw: list[Any], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> None:
        super().__init__(warnings, infos)
        self.time: float = raw[0]
        self.value: str = raw[1]

    @property
    def when(self) -> datetime:
        """Its time, aware, in UTC."""
        return aware(self.time)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """The text as one row without labels."""
        yield Row({}, _shown(self.time, times), self.value)

    def __repr__(self) -> str:
        return f"String({self.time}, {self.value!r})"


Result = Vector | Matrix | Scalar | String


class Listing(list[T]):
    """A list, with what the server had to say about it.

    Attributes:
        warnings, infos: the server's notes.
    """

    def __init__(self, items: Sequence[T], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> None:
        super().__init__(items)
        self.warnings = list(warnings)
        self.infos = list(infos)
