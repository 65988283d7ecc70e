"""Read files that must not block the process, and replace files at once."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_fifo", "read_toml", "regular_file", "replace_file", "why_unreadable"]


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


def read_toml(path: str | Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
        ValueError: it is not TOML in UTF-8, or nested too deeply.
    """
    with open(path, "rb", opener=regular_file) as file:
        try:
            return tomllib.load(file)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def why_unreadable(error: OSError | ValueError) -> str:
    """Return why a file cannot be read, without its name, which the caller knows."""
    return getattr(error, "strerror", None) or str(error)


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


def replace_file(path: Path, text: str) -> None:
    """Write a file atomically. An existing file keeps its owner and mode; a new one has the mode 0600.

    Raises:
        OSError: the file cannot be written, and is as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            with suppress(FileNotFoundError):
                known = path.stat()
                os.fchmod(handle, stat.S_IMODE(known.st_mode))
                os.fchown(handle, known.st_uid, known.st_gid)
            file.write(text)
            file.flush()
            os.fsync(handle)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
