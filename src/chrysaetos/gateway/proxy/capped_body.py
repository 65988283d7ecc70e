"""Limit the length of responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from chrysaetos.errors import ResponseTooLarge
from chrysaetos.http.upstream.response import UpstreamBroken

if TYPE_CHECKING:
    from chrysaetos.http.upstream.response import UpstreamResponse

__all__ = ["CappedBody"]


class CappedBody:
    """The body of a response, limited to a number of bytes as they are sent.

    If the body is known to be too long before its first byte is sent, the client gets an error. If it turns
    out to be too long later, the response can only be aborted.

    Args:
        response: the response.
        limit: the maximum number of bytes, greater than 0.

    Raises:
        ResponseTooLarge: the body is known to be longer. The response has been aborted.
    """

    __slots__ = ("_left", "_limit", "_response")

    def __init__(self, response: UpstreamResponse, limit: int) -> None:
        whole = response.body
        size = response.content_length if whole is None else len(whole)
        if size is not None and size > limit:
            response.abort()
            raise ResponseTooLarge(
                f"the response is longer than {limit} bytes (max_response_bytes): "
                "request fewer series, a shorter time range or a longer step"
            )
        self._response = response
        self._limit = self._left = limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes of the body.

        Raises:
            UpstreamBroken: the body is longer than the limit, or was cut off.
        """
        piece = await anext(self._response)
        self._left -= len(piece)
        if self._left < 0:
            self._response.abort()
            raise UpstreamBroken(f"The response is longer than {self._limit} bytes (max_response_bytes).")
        return piece
