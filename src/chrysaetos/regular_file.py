"""Open files that must not block the reader."""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["regular_file"]


def regular_file(path: str, flags: int) -> int:
    """Open a regular file, as the ``opener`` of ``open``. A FIFO would wait for a writer.

    Raises:
        OSError: the file cannot be opened, or is a FIFO, a directory, a socket or a device.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return descriptor
