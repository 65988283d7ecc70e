"""Limits on the size of requests, and on how long clients may take."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["MONITORING", "FramingLimits", "ServerLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramingLimits:
    """Limits on the size of a request.

    Attributes:
        line: bytes of the request line.
        fields: bytes of all headers together.
        count: number of headers.
        body: bytes of the body, without chunk headers.
    """

    line: int = 128 * 1024 + 64
    fields: int = 64 * 1024
    count: int = 100
    body: int = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Limits on clients and their requests.

    Attributes:
        framing: limits on the size of a request.
        connections: number of open connections. A further one replaces the connection that has waited longest
            for its client. With TLS, as many handshakes may be in progress; a further one replaces the
            oldest.
        unfinished_bytes: bytes of incomplete requests, of all clients together. Beyond it, the request that
            has been incomplete longest is rejected.
        head_seconds: time for the request line and headers, from the first byte, or from the connection's
            start for the first request.
        body_seconds: time for the body.
        idle_seconds: how long an idle connection is kept.
        write_seconds: how often it is checked that a client reads its response fast enough.
        write_rate: bytes per second that it must read.
        accepts: connections that a socket accepts in a turn of the event loop. uvloop accepts one for each
            file descriptor: with one, new clients of a busy gateway would wait for as many turns as there are
            of them.
    """

    framing: FramingLimits = field(default_factory=FramingLimits)
    connections: int = 2000
    unfinished_bytes: int = 64 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    write_seconds: float = 60.0
    write_rate: int = 1024
    accepts: int = 32


MONITORING = ServerLimits(
    framing=FramingLimits(line=4 * 1024, fields=16 * 1024, body=0),
    connections=64,
    unfinished_bytes=1024 * 1024,
    idle_seconds=150.0,  # longer than the usual scrape intervals
    accepts=1,
)
"""Limits of servers that only monitoring uses."""
