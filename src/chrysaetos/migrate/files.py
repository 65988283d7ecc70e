"""Find and read a service's configuration files, and write files with the attributes of others."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Sources", "explain_os_error", "read_layers", "remove_files", "sync_directory", "write_like"]

Sources = list[tuple[str, Path]]
"""Pairs of "file" or "dir" and path, in the order of the command line."""

_MAX_WRITE = 1 << 20


def read_layers(sources: Sources, environ: Mapping[str, str]) -> tuple[Layers, dict[ConfFile, Path]]:
    """Read files like oslo.config; of a directory, ``*.conf`` in the order of their names.

    Args:
        sources: the files and directories.
        environ: the service's environment.

    Returns:
        The layers, and the path of each file after following symbolic links.

    Raises:
        MigrateError: a file cannot be read, or there is no file.
    """
    read: dict[Path, ConfFile] = {}
    order: list[ConfFile] = []
    for path in _paths(sources):
        try:
            real = path.resolve(strict=True)
            if real not in read:
                read[real] = ConfFile(str(path), real.read_bytes())
        except OSError as error:
            raise explain_os_error(path, "cannot be read", error) from error
        order.append(read[real])
    if not order:
        places = ", ".join(str(path) for _, path in sources) or "the default directories"
        raise MigrateError(f"no configuration file in {places}; pass it with --conf FILE or --conf-dir DIR")
    return Layers(order, environ), {file: path for path, file in read.items()}


def _paths(sources: Sources) -> list[Path]:
    paths: list[Path] = []
    for kind, path in sources:
        if kind == "file":
            paths.append(path)
        elif path.is_dir():
            paths += sorted(path.glob("[!.]*.conf"))
        else:
            raise MigrateError(
                f"{path}: no such directory; --conf-dir requires the directory that the service reads"
            )
    return paths


def explain_os_error(path: Path, what: str, error: OSError) -> MigrateError:
    """Return the error for an error of the operating system, with a remedy.

    Args:
        path: the file.
        what: what failed, such as "cannot be read".
        error: the error of the operating system.
    """
    remedies = {
        errno.ENOENT: "check the name",
        errno.EACCES: "run this as root, or as the owner of the files",
        errno.EPERM: "run this as root, or as the owner of the files",
        errno.EROFS: "the file system is read-only: change the original of the file",
        errno.EBUSY: "the file is a mount point (in a container?): change its original",
        errno.ENOSPC: "the file system is full: free space for a copy of each file",
        errno.EISDIR: "this is a directory: use --conf-dir",
    }
    reason = error.strerror or type(error).__name__
    remedy = remedies.get(error.errno or 0)
    return MigrateError(f"{path}: {what}: {reason}" + (f"; {remedy}" if remedy else ""))


def write_like(path: Path, data: bytes, model: Path) -> None:
    """Write a new file with owner, mode and extended attributes of another file, and sync it to disk.

    Args:
        path: the new file, which must not exist.
        data: the content.
        model: the file with the attributes.

    Raises:
        OSError: the file could not be written, and does not exist.
    """
    attributes = model.stat()
    # The file may have passwords: nobody else may open it before owner and mode are set.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view[:_MAX_WRITE]) :]
            if (attributes.st_uid, attributes.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, attributes.st_uid, attributes.st_gid)
            # SELinux labels and ACLs are extended attributes.
            shutil.copystat(model, path)
            os.utime(path)
            os.fchmod(descriptor, stat.S_IMODE(attributes.st_mode))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        remove_files([path])
        raise


def sync_directory(path: Path) -> None:
    """Sync a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_files(paths: Sequence[Path]) -> None:
    """Remove files; ignore errors."""
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)
