"""What clients may send, and how long they may take."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MONITORING", "FramingLimits", "ServerLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramingLimits:
    """How large a request may be.

    Attributes:
        line: bytes of the request line.
        fields: bytes of all fields together.
        count: number of fields.
        body: bytes of the body, without its chunked framing.
    """

    line: int = 128 * 1024 + 64
    fields: int = 64 * 1024
    count: int = 100
    body: int = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What a client may do.

    Attributes:
        framing: how large a request may be.
        connections: open at once. One more takes the place of the one that has waited longest.
        unfinished_bytes: of requests that have not arrived whole, of all clients together. Whose request
            goes beyond is refused.
        head_seconds: for the head of a request, from its first byte, or from the connection's beginning.
        body_seconds: for its body.
        idle_seconds: without a request.
        write_seconds: without the client's taking anything of an answer.
    """

    framing: FramingLimits = field(default_factory=FramingLimits)
    connections: int = 2000
    unfinished_bytes: int = 64 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    write_seconds: float = 60.0


MONITORING = ServerLimits(
    framing=FramingLimits(line=4 * 1024, fields=16 * 1024, body=0),
    connections=64,
    unfinished_bytes=1024 * 1024,
    idle_seconds=150.0,  # longer than the usual scrape intervals
)
"""The limits of servers that only monitoring uses."""
