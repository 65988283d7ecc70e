"""Results of queries: vector, matrix, scalar and string, as views of the decoded JSON.

Entries are converted when they are read: a vector of 100,000 samples costs its JSON and one list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, overload

from chrysaetos.client.errors import MissingPackage, UnexpectedResult
from chrysaetos.client.samples import Histogram, Number, Row, Sample, Series, Value
from chrysaetos.client.times import aware

if TYPE_CHECKING:
    from datetime import datetime

    from pandas import DataFrame

__all__ = ["Listing", "Matrix", "Result", "Scalar", "String", "Vector"]

Times = Literal["datetime", "seconds"]
T = TypeVar("T")


class _Result:
    """Base class of all results.

    Attributes:
        type: Prometheus' ``resultType``.
        warnings, infos: the server's annotations.
        restricted: whether a Chrysaetos gateway has restricted the query to some projects; None if the server
            does not say, as Prometheus and Aetos.
    """

    type: ClassVar[str]

    def __init__(self, warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> None:
        self.warnings = list(warnings)
        self.infos = list(infos)
        self.restricted: bool | None = None

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Yield each sample as one row.

        Args:
            times: the type of their times: ``"datetime"`` (aware, UTC) or ``"seconds"`` (since the epoch).
        """
        raise NotImplementedError

    def to_frame(self, times: Times = "datetime") -> DataFrame:
        """Return a pandas frame: a column for each label, then ``time`` and ``value``; a row for each sample.

        A label named ``time`` or ``value`` becomes the column ``label_time`` or ``label_value``.

        Args:
            times: the type of the column ``time``, as for ``rows``.

        Raises:
            MissingPackage: pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415  # optional, and slow to import
        except ImportError as error:
            raise MissingPackage("to_frame needs pandas: pip install pandas") from error
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


def _convert(seconds: float, times: Times) -> datetime | float:
    return aware(seconds) if times == "datetime" else seconds


class _Sequence(_Result, Sequence[T]):
    """A sequence of entries, each created when it is accessed.

    Attributes:
        raw: the entries as the API returns them.
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

    def one_or_none(self) -> T | None:
        """Return the only entry, or None if there is none.

        Raises:
            UnexpectedResult: there are several entries.
        """
        if len(self.raw) > 1:
            raise UnexpectedResult(f"expected one series, got {len(self.raw)}")
        return self[0] if self.raw else None

    def by_label(self, label: str) -> dict[str, T]:
        """Return the entries by their value of a label; ``""`` for an entry without the label.

        Raises:
            UnexpectedResult: two entries have the same value.
        """
        found: dict[str, T] = {}
        for raw, entry in zip(self.raw, self, strict=True):
            value = raw["metric"].get(label, "")
            if value in found:
                raise UnexpectedResult(f"several series have {label}={value!r}")
            found[value] = entry
        return found

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} series)"


class Vector(_Sequence[Sample]):
    """One sample of each series, all at the same time."""

    type = "vector"

    def _entry(self, raw: dict[str, Any]) -> Sample:
        return Sample(raw, self._number)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Yield each sample as one row."""
        number = self._number
        for raw in self.raw:
            pair = raw.get("value")
            if pair is not None:
                yield Row(raw["metric"], _convert(pair[0], times), number(pair[1]))
            else:
                time, histogram = raw["histogram"]
                yield Row(raw["metric"], _convert(time, times), Histogram(histogram, number))


class Matrix(_Sequence[Series]):
    """Samples of each series over a range of time."""

    type = "matrix"

    def _entry(self, raw: dict[str, Any]) -> Series:
        return Series(raw, self._number)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Yield each sample as one row, series by series."""
        number = self._number
        for raw in self.raw:
            labels = raw["metric"]
            for time, value in raw.get("values", ()):
                yield Row(labels, _convert(time, times), number(value))
            for time, histogram in raw.get("histograms", ()):
                yield Row(labels, _convert(time, times), Histogram(histogram, number))


class _Single(_Result):
    """A result of one value without labels.

    Attributes:
        time: seconds since the epoch.
        value: the value.
    """

    value: Value | str

    def __init__(self, raw: list[Any], warnings: Sequence[str], infos: Sequence[str]) -> None:
        super().__init__(warnings, infos)
        self.time: float = raw[0]

    @property
    def when(self) -> datetime:
        """The time as an aware datetime in UTC."""
        return aware(self.time)

    def rows(self, times: Times = "datetime") -> Iterator[Row]:
        """Yield the value as one row without labels."""
        yield Row({}, _convert(self.time, times), self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.time}, {self.value!r})"


class Scalar(_Single):
    """A number without labels.

    Attributes:
        time: seconds since the epoch.
        value: the number.
    """

    type = "scalar"
    value: Value

    def __init__(
        self, raw: list[Any], number: Number = float, warnings: Sequence[str] = (), infos: Sequence[str] = ()
    ) -> None:
        super().__init__(raw, warnings, infos)
        self.value = number(raw[1])


class String(_Single):
    """A text.

    Attributes:
        time: seconds since the epoch.
        value: the text.
    """

    type = "string"
    value: str

    def __init__(self, raw: list[Any], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> None:
        super().__init__(raw, warnings, infos)
        self.value = raw[1]


Result = Vector | Matrix | Scalar | String


class Listing(list[T]):
    """A list with the server's annotations.

    Attributes:
        warnings, infos: the annotations.
    """

    def __init__(self, items: Sequence[T], warnings: Sequence[str] = (), infos: Sequence[str] = ()) -> None:
        super().__init__(items)
        self.warnings = list(warnings)
        self.infos = list(infos)
