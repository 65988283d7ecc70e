"""The shapes of the upstream's JSON, checked where it is taken apart.

What has another shape than Prometheus' documentation ("HTTP API") says is not understood, and what is not
understood is not passed on.
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
    """The first value of a parameter, as Go's ``Values.Get`` has it; empty if it was not sent."""
    return next(iter(asked.get(name, ())), "")


def as_object(value: object) -> Object:
    """A JSON object.

    Raises:
        BadGateway: it is something else; so with the functions below.
    """
    if isinstance(value, dict):
        return value
    raise _unexpected("an object")


def as_list(value: object) -> list[Any]:
    """A JSON array; null is an empty one, as Go writes a nil slice."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise _unexpected("an array")


def as_text(value: object) -> str:
    """A JSON string."""
    if isinstance(value, str):
        return value
    raise _unexpected("a string")


def as_number(value: object) -> float:
    """A JSON number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise _unexpected("a number")


def as_labels(value: object) -> dict[str, str]:
    """A JSON object of strings; null is an empty one."""
    if value is None:
        return {}
    return {name: as_text(text) for name, text in as_object(value).items()}


def _unexpected(wanted: str) -> BadGateway:
    return BadGateway(f"an answer of Prometheus does not hold {wanted} where it should")
