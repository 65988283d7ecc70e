"""Whether a client accepts a content coding of a response, such as ``gzip``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chrysaetos.errors import Headers

__all__ = ["accepts_encoding"]

_MAX_BYTES = 256
"""Length above which ``Accept-Encoding`` is not parsed; those of browsers are a tenth of it."""


def accepts_encoding(headers: Headers, coding: bytes) -> bool:
    """Return whether ``Accept-Encoding`` accepts a content coding (RFC 9110, 12.5.3).

    Args:
        headers: the request's headers, names in lower case. Repeated headers are joined.
        coding: the name of the coding in lower case.

    Returns:
        Whether it is named with a weight above 0, or not named and ``*`` has such a weight. False if the
        header is missing or very long: an uncompressed response is always acceptable.
    """
    value = b",".join([value for name, value in headers if name == b"accept-encoding"])
    if not value or len(value) > _MAX_BYTES:
        return False
    others = False
    for each in value.lower().translate(None, b" \t").split(b","):
        name, _, weight = each.partition(b";")
        accepted = weight.rstrip(b".0") != b"q="
        if name == coding:
            return accepted
        if name == b"*":
            others = accepted
    return others
