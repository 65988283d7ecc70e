"""A second implementation of remote read's protobuf messages, to test the first one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["EQ", "NEQ", "NRE", "RE", "Matcher", "field", "fields", "query", "read_queries", "read_series"]

EQ, NEQ, RE, NRE = 0, 1, 2, 3


@dataclass(frozen=True)
class Matcher:
    """A label matcher."""

    type: int
    name: str
    value: str

    def encode(self) -> bytes:
        return field(1, self.type) + field(2, self.name.encode()) + field(3, self.value.encode())


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number: int, value: int | bytes) -> bytes:
    """Encode a field: a number as a varint, bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def query(matchers: Sequence[Matcher], start: int, end: int, more: bytes = b"") -> bytes:
    """Encode a query as a field of a ReadRequest. Times are in milliseconds."""
    content = field(1, start) + field(2, end) + b"".join(field(3, matcher.encode()) for matcher in matchers)
    return field(1, content + more)


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the number and value of each field: an int, or bytes, of which a double has eight."""
    rest = message
    while rest:
        tag, rest = take(rest)
        if tag & 7 == 1:
            yield tag >> 3, rest[:8]
            rest = rest[8:]
            continue
        value, rest = take(rest)
        if tag & 7 == 2:
            yield tag >> 3, rest[:value]
            rest = rest[value:]
        else:
            yield tag >> 3, value


def take(message: bytes) -> tuple[int, bytes]:
    result = shift = 0
    for index, byte in enumerate(message):
        result |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return result, message[index + 1 :]
    raise ValueError("the message is truncated")


def read_queries(message: bytes) -> list[list[Matcher]]:
    """Return the matchers of each query of a ReadRequest."""
    queries = []
    for number, content in fields(message):
        if number == 1:
            found = []
            for inner, matcher in fields(content):
                if inner == 3:
                    parts = dict(fields(matcher))
                    name, value = (parts.get(key, b"").decode() for key in (2, 3))
                    found.append(Matcher(parts.get(1, 0), name, value))
            queries.append(found)
    return queries


def read_series(message: bytes) -> list[tuple[dict[str, str], list[tuple[bytes, int]]]]:
    """Return labels and samples (value as eight bytes, milliseconds) of the series of a ReadResponse."""
    series = []
    for number, result in fields(message):
        assert number == 1
        for inner, timeseries in fields(result):
            assert inner == 1
            labels: dict[str, str] = {}
            samples: list[tuple[bytes, int]] = []
            for key, content in fields(timeseries):
                parts = dict(fields(content))
                if key == 1:
                    labels[parts[1].decode()] = parts[2].decode()
                elif key == 2:
                    samples.append((parts.get(1, bytes(8)), parts.get(2, 0)))
            series.append((labels, samples))
    return series
