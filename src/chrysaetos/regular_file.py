"""Open files that must not block the process."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_fifo", "regular_file"]


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


def check_fifo(path: Path) -> None:
    """Check that a file can be opened for writing at once. A FIFO would wait for a reader.

    Raises:
        OSError: it is a FIFO that nothing reads.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISFIFO(path.stat().st_mode):
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            except OSError as error:
                if error.errno == errno.ENXIO:
                    raise OSError(errno.ENXIO, "it is a FIFO that nothing reads", str(path)) from error
                raise
