"""Request parameters: convert and check the arguments of calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chrysaetos.client.errors import InvalidArgument
from chrysaetos.client.times import milliseconds, seconds_text
from chrysaetos.numeric import is_integer

if TYPE_CHECKING:
    from chrysaetos.client.requester import Parameters
    from chrysaetos.client.times import Time

__all__ = [
    "Selectors",
    "check_integer",
    "limit_parameter",
    "only_selector",
    "selector_parameters",
    "text_parameter",
    "time_parameter",
]

Selectors = str | Sequence[str]
"""One series selector, or several."""


def selector_parameters(
    match: Selectors, start: Time | None, end: Time | None, limit: int | None = None
) -> Parameters:
    """Return ``match[]``, ``start``, ``end`` and ``limit``, as far as they are given.

    Raises:
        InvalidArgument: a time or the limit is invalid.
    """
    parameters = [("match[]", selector) for selector in _selectors(match)]
    return [
        *parameters,
        *time_parameter("start", start),
        *time_parameter("end", end),
        *limit_parameter(limit),
    ]


def only_selector(match: Selectors) -> str | None:
    """Return the selector that an error shows as the query; None if there are several or none."""
    selectors = _selectors(match)
    return selectors[0] if len(selectors) == 1 else None


def time_parameter(name: str, time: Time | None) -> Parameters:
    """Return a time in seconds; nothing for None.

    Raises:
        InvalidArgument: the time is invalid.
    """
    return [] if time is None else [(name, seconds_text(milliseconds(time, name)))]


def text_parameter(name: str, value: str | None) -> Parameters:
    """Return a parameter unchanged; nothing for None."""
    return [] if value is None else [(name, value)]


def limit_parameter(limit: int | None) -> Parameters:
    """Return ``limit``; nothing for None.

    Raises:
        InvalidArgument: the limit is not an integer of at least 0.
    """
    return [] if limit is None else [("limit", str(check_integer("limit", limit, 0)))]


def check_integer(name: str, value: object, minimum: int) -> int:
    """Return an integer unchanged.

    Raises:
        InvalidArgument: the value is not an integer of at least ``minimum``; the message has the name.
    """
    if not is_integer(value, minimum):
        raise InvalidArgument(f"{name} must be an integer of at least {minimum}, not {value!r}")
    return value


def _selectors(match: Selectors) -> list[str]:
    try:
        return [match] if isinstance(match, str) else list(match)
    except TypeError:
        raise InvalidArgument(f"match must be a selector or several, not {match!r}") from None
