"""Finding a service's configuration files, and replacing one in one step."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Sources", "explained", "read_layers", "remove_quietly", "sync_directory", "write_like"]

Sources = list[tuple[str, Path]]
"""("file" or "dir", path), in the order of the command line."""

_CHUNK = 1 << 20


def read_layers(sources: Sources, environ: Mapping[str, str]) -> tuple[Layers, dict[ConfFile, Path]]:
    """Read files as oslo.config finds them: of a folder, ``*.conf`` in the order of their names.

    Args:
        sources: where to look.
        environ: the service's environment.

    Returns:
        The layers; and the file behind each, symbolic links followed.

    Raises:
        MigrateError: a file cannot be read, or there is none.
    """
    read: dict[Path, ConfFile] = {}
    order: list[ConfFile] = []
    for path in _paths(sources):
        try:
            real = path.resolve(strict=True)
            if real not in read:
                read[real] = ConfFile(str(path), real.read_bytes())
        except OSError as error:
            raise explained(path, "cannot be read", error) from error
        order.append(read[real])
    if not order:
        asked = ", ".join(str(path) for _, path in sources) or "the usual places"
        raise MigrateError(f"no configuration file in {asked}; name it with --conf FILE or --conf-dir DIR")
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
                f"{path}: there is no such folder; --conf-dir takes the one that the service reads"
            )
    return paths


def explained(path: Path, what: str, error: OSError) -> MigrateError:
    """An error of the system, with what to do."""
    remedies = {
        errno.ENOENT: "see that the name is right",
        errno.EACCES: "run this as root, or as the owner of the files",
        errno.EPERM: "run this as root, or as the owner of the files",
        errno.EROFS: "the file system is read-only: change the file where it comes from",
        errno.EBUSY: "it is mounted by itself (in a container?): change the file where it comes from",
        errno.ENOSPC: "the file system is full: make room; a copy of each file fits beside it",
        errno.EISDIR: "this is a folder: use --conf-dir",
    }
    reason = error.strerror or type(error).__name__
    remedy = remedies.get(error.errno or 0)
    return MigrateError(f"{path}: {what}: {reason}" + (f"; {remedy}" if remedy else ""))


def write_like(path: Path, data: bytes, model: Path) -> None:
    """Write a new file with owner, mode and extended attributes of another, and see it to the disk.

    Args:
        path: the new file, which must not be there.
        data: its content.
        model: an existing file.

    Raises:
        OSError: it could not be written as it should be, and is not there.
    """
    of = model.stat()
    # Nobody else may open it before it has its owner and mode: it may hold passwords.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view[:_CHUNK]) :]
            if (of.st_uid, of.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, of.st_uid, of.st_gid)
            # SELinux labels and ACLs are extended attributes.
            shutil.copystat(model, path)
            os.utime(path)
            os.fchmod(descriptor, stat.S_IMODE(of.st_mode))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        remove_quietly([path])
        raise


def sync_directory(path: Path) -> None:
    """See the names in a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_quietly(paths: Sequence[Path]) -> None:
    """Remove files, whether they are there or not."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue
