"""A connection that a response's body comes from, and such a response."""

from __future__ import annotations

from chrysaetos.http.upstream.response import BodyStream, UpstreamResponse

__all__ = ["BodySource", "streamed_response"]


class BodySource:
    """Records what a body calls on its connection.

    Attributes:
        aborted: whether the body was given up.
    """

    def __init__(self) -> None:
        self.aborted = False

    def resume(self) -> None:
        """Do nothing: no bytes wait."""

    def abort(self) -> None:
        """Record that the body was given up."""
        self.aborted = True


def streamed_response(
    *pieces: bytes, content_length: int | None = None
) -> tuple[UpstreamResponse, BodyStream, BodySource]:
    """Return a response of which some bytes have arrived, the stream of its body, and its connection."""
    connection = BodySource()
    stream = BodyStream(connection)
    for piece in pieces:
        stream.push(piece)
    return UpstreamResponse(200, [], content_length, None, stream), stream, connection
