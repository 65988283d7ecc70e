"""Check the structure of the upstream's JSON.

Data whose structure differs from Prometheus' documentation ("HTTP API") is not passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chrysaetos.errors import BadGateway

__all__ = ["Asked", "Object", "as_labels", "as_list", "as_number", "as_object", "as_text", "first"]

Object = dict[str, Any]

Asked = Mapping[str, Sequence[str]]
"""The parameters of a request: name → values."""


def first(asked: Asked, name: str) -> str:
    """Return the first value of a parameter, empty if it was not sent (Go, ``Values.Get``)."""
    return next(iter(asked.get(name, ())), "")


def as_object(value: object) -> Object:
    """Return a JSON object.

    Raises:
        BadGateway: the value is not an object. The functions below raise it likewise.
    """
    if isinstance(value, dict):
        return value
    raise _unexpected("an object")


def as_list(value: object) -> list[Any]:
    """Return a JSON array. Null is an empty array: Go writes a nil slice as null."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise _unexpected("an array")


def as_text(value: object) -> str:
    """Return a JSON string."""
    if isinstance(value, str):
        return value
    raise _unexpected("a string")


def as_number(value: object) -> float:
    """Return a JSON number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise _unexpected("a number")


def as_labels(value: object) -> dict[str, str]:
    """Return a JSON object of strings. Null is an empty object."""
    if value is None:
        return {}
    return {name: as_text(text) for name, text in as_object(value).items()}


def _unexpected(wanted: str) -> BadGateway:
    return BadGateway(f"the response of Prometheus lacks {wanted} where one is required")
