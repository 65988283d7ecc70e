"""The headers of requests: their values, and what was derived from them.

Clients send the same headers with each request, so the server keeps those of the last ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from chrysaetos.errors import Headers

__all__ = ["KeptHeaders", "derived", "only_value"]

T = TypeVar("T")


class KeptHeaders(list[tuple[bytes, bytes]]):
    """Headers that the server keeps for the next request with them, with what was derived from them.

    They must not be modified: other headers are another list.
    """

    __slots__ = ("derived",)

    def __init__(self) -> None:
        self.derived: dict[Callable[[Headers], Any], Any] = {}


def derived(headers: Headers, derive: Callable[[Headers], T]) -> T:
    """Return what a pure function makes of headers. It is called once for all requests that repeat them.

    Args:
        headers: the headers of a request.
        derive: the function, always the same object. Its result is kept as long as the headers, and must not
            be larger than they are.
    """
    if type(headers) is not KeptHeaders:
        return derive(headers)
    kept = headers.derived
    if derive not in kept:
        kept[derive] = derive(headers)
    result: T = kept[derive]
    return result


def only_value(headers: Headers, name: bytes) -> bytes | None:
    """Return the value of a header; None if it is missing or repeated.

    Args:
        headers: the headers of a request, names in lower case.
        name: the name of the header.
    """
    values = [value for key, value in headers if key == name]
    return values[0] if len(values) == 1 else None
