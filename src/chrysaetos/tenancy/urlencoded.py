"""The encoding of parameters in the query of a URL and in a form body.

Source: WHATWG URL, "application/x-www-form-urlencoded".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_to_bytes

from chrysaetos.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_UNCACHED_BYTES",
    "PLAIN",
    "count_parameters",
    "decode",
    "encode",
    "split",
    "split_parameters",
    "values_of",
]

MAX_UNCACHED_BYTES = 16 * 1024
"""Bytes of names and plain values that are decoded in the event loop, which takes 2 ms at most."""
_MAX_PARAMETERS = 1000
"""Maximum number of parameters of a request; a series request may have many selectors."""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
PLAIN = re.compile(rb"[A-Za-z0-9_.~-]+=[A-Za-z0-9_.~-]+")
"""A name and a value that are the same encoded and decoded."""


def count_parameters(url: bytes, body: bytes | None) -> None:
    """Check the number of parameters, before any of them is decoded.

    Raises:
        BadRequest: there are too many.
    """
    count = url.count(b"&") + (body or b"").count(b"&") + 1
    if count > _MAX_PARAMETERS:
        raise BadRequest(f"the request has {count} parameters: send at most {_MAX_PARAMETERS} in one")


def split_parameters(encoded: bytes) -> Iterator[tuple[str, str]]:
    """Return the decoded names and values of a URL's query.

    Raises:
        BadRequest: a percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    """
    for name, value in split(encoded):
        yield decode(name), decode(value)


def values_of(name: str, encoded: bytes) -> list[str]:
    """Return the decoded values of one parameter; others, which may be long, are not decoded.

    Raises:
        BadRequest: as for ``split_parameters``, or a value is too long.
    """
    longest = 3 * len(name.encode())
    values = [value for given, value in split(encoded) if len(given) <= longest and decode(given) == name]
    if sum(map(len, values)) > MAX_UNCACHED_BYTES:
        raise BadRequest(f'the parameter "{name}" is too long')
    return list(map(decode, values))


def split(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the encoded names and values."""
    for pair in encoded.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            yield name, value


def decode(value: bytes) -> str:
    """Decode a name or a value, once.

    Raises:
        BadRequest: a percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    """
    if b"+" in value:
        value = value.replace(b"+", b" ")
    if b"%" in value:
        if _BAD_ESCAPE.search(value) is not None:
            raise BadRequest('a parameter holds a "%" that is not followed by two hexadecimal digits')
        value = unquote_to_bytes(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRequest("a parameter is not valid UTF-8") from None


def encode(name: str, value: str) -> bytes:
    """Return a name and a value encoded."""
    return f"{quote_plus(name)}={quote_plus(value)}".encode("ascii")
