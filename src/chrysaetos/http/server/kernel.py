"""What the kernel knows of a connection, and the transport does not."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["has_input", "reset_when_closed", "unread_bytes"]


def unread_bytes(transport: asyncio.Transport) -> int:
    """Return how many bytes were written that the client has not acknowledged.

    The kernel's part counts: it takes megabytes, and only asks for more when a third of that is free, so
    a slow client would seem to read nothing for minutes (ioctl_tty(2), TIOCOUTQ; tcp(7), SIOCOUTQ).
    """
    descriptor = transport.get_extra_info("socket").fileno()
    queued = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)) if descriptor >= 0 else bytes(4)
    return transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)


def has_input(transport: asyncio.Transport) -> bool:
    """Return whether the kernel has bytes of the client that the transport has not read."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


def reset_when_closed(transport: asyncio.Transport) -> None:
    """Let the end of the connection be a reset: socket(7), SO_LINGER."""
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
