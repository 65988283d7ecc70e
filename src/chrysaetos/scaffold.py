"""Write a set of generated files: all or none, and without overwriting files that were edited."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "MANIFEST",
    "Change",
    "File",
    "check_prometheus",
    "fill_template",
    "find_changes",
    "write_files",
    "yaml_scalar",
]

MANIFEST = ".written.json"
"""File in the directory that maps each name to the SHA-256 of its last generated content, to detect edits."""
_PLACEHOLDER = re.compile(r"@@[A-Z_]+@@")
_MODE = 0o644
"""Mode of new files without a secret. Existing files keep their mode."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to write.

    Attributes:
        name: its path, relative to the directory or absolute.
        text: its content.
        rewrite: whether to overwrite an existing file in any case, because ``text`` was derived from it.
        mode: its mode; None for that of the existing file, or 0644.
        group: the id of its group; None for that of the existing file, or the default.
    """

    name: str
    text: str
    rewrite: bool = False
    mode: int | None = None
    group: int | None = None


def fill_template(package: str, name: str, values: Mapping[str, str]) -> str:
    """Return a template with its placeholders, such as ``@@LOCATION@@``, replaced.

    Args:
        package: the package whose folder ``templates`` contains the template.
        name: the template's path in that folder.
        values: the values of all placeholders by name.
    """
    text = (resources.files(package) / "templates" / name).read_text(encoding="utf-8")
    return _PLACEHOLDER.sub(lambda match: values[match[0].strip("@")], text)


def yaml_scalar(value: str) -> str:
    """Return a string as a YAML scalar, single-quoted if it contains double quotes.

    JSON strings are valid YAML except for unprintable characters (YAML 1.2, 5.1) and surrogate pairs.
    """
    if '"' in value and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is missing or differs.

    Attributes:
        file: the file to write.
        content: the existing content, None if the file does not exist.
        edited: whether the existing content is not what was last written with ``update``.
        new: whether the file's text is not what was last written with ``update``.
    """

    file: File
    content: bytes | None
    edited: bool
    new: bool


def find_changes(directory: Path, files: Sequence[File], *, update: bool) -> list[Change]:
    """Return the files that are missing, or have another content, mode or group.

    Args:
        directory: the directory, which may be missing.
        files: the files.
        update: whether to compare with what was last written with ``update``; otherwise each existing file
            with another content is edited.

    Raises:
        ConfigError: a file cannot be read.
    """
    changes = []
    try:
        known = _read_manifest(directory) if update else {}
        for file in files:
            path, text, written = directory / file.name, file.text.encode(), known.get(file.name)
            content = _content(path)
            if content != text or not _has_attributes(path, file):
                edited = content not in {None, text} and _hash(content or b"") != written
                changes.append(Change(file, content, edited=edited, new=_hash(text) != written))
    except OSError as error:
        raise ConfigError(f"{directory} cannot be used: {error}") from error
    return changes


def _has_attributes(path: Path, file: File) -> bool:
    status = path.stat()
    return file.mode in {None, stat.S_IMODE(status.st_mode)} and file.group in {None, status.st_gid}


def write_files(directory: Path, files: Sequence[File], *, force: bool, update: bool = False) -> list[str]:
    """Write files.

    Args:
        directory: the directory, which is created if missing.
        files: the files.
        force: whether to overwrite all existing files.
        update: whether to overwrite existing files that have not been edited since they were written with
            ``update``.

    Returns:
        The names of the files that are new or changed.

    Raises:
        ConfigError: an existing file may not be overwritten, or a file cannot be written. In both cases no
            file is changed.
    """
    changes = find_changes(directory, files, update=update)
    edited = [each.file.name for each in changes if each.edited and not each.file.rewrite]
    if edited and not force:
        raise ConfigError(
            f"{', '.join(edited)} in {directory}: exists with different content; no file was written "
            "(use --force to overwrite)"
        )
    changed = [each.file for each in changes]
    written = list(changed)
    if update:
        hashes = {**_read_manifest(directory), **{file.name: _hash(file.text.encode()) for file in files}}
        # A guess of a secret can be verified with a hash.
        mode = 0o600 if any(file.mode is not None for file in files) else None
        written.append(File(MANIFEST, json.dumps(hashes, indent=2) + "\n", mode=mode))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _replace(directory, written)
    except OSError as error:
        raise ConfigError(f"{directory}: no file was written: {error}") from error
    return [file.name for file in changed]


def check_prometheus(files: Sequence[File], name: str) -> None:
    """Check a configuration with promtool before it is written. Do nothing if promtool is not installed.

    Args:
        files: the configuration and the files that it refers to.
        name: the name of the configuration among them.

    Raises:
        ConfigError: promtool rejects the configuration.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        return
    with tempfile.TemporaryDirectory(prefix="chrysaetos-") as directory:
        write_files(Path(directory), files, force=False)
        command = [promtool, "check", "config", "--syntax-only", str(Path(directory) / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # on PATH
    if done.returncode != 0:
        raise ConfigError(f"promtool rejects {name}: {(done.stderr + done.stdout).strip()}")


def _replace(directory: Path, files: Sequence[File]) -> None:
    """Write all files under temporary names, then rename them. Undo the renames if one fails."""
    suffix = secrets.token_hex(4)
    staged: list[tuple[Path, Path, Path]] = []
    replaced: list[tuple[Path, Path]] = []
    try:
        for file in files:
            path = directory / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            new, old = (path.with_name(f"{path.name}.{suffix}.{kind}") for kind in ("new", "old"))
            staged.append((new, path, old))
            _write(new, file, path)
        for new, path, old in staged:
            with suppress(FileNotFoundError):
                os.link(path, old)
            new.replace(path)
            replaced.append((path, old))
    except BaseException:
        for path, old in replaced:
            if old.exists():
                old.replace(path)
            else:
                path.unlink()
        raise
    finally:
        for new, _, old in staged:
            for path in (new, old):
                with suppress(OSError):
                    path.unlink(missing_ok=True)


def _write(path: Path, file: File, model: Path) -> None:
    """Write a file with the mode of an existing one, and for root its owner and group."""
    owner, group, mode = -1, -1, _MODE
    with suppress(FileNotFoundError):
        status = model.stat()
        mode = stat.S_IMODE(status.st_mode)
        if os.geteuid() == 0:
            owner, group = status.st_uid, status.st_gid
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(file.text)
        stream.flush()
        os.fsync(handle)
        os.fchown(handle, owner, group if file.group is None else file.group)
        os.fchmod(handle, mode if file.mode is None else file.mode)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_manifest(directory: Path) -> dict[str, str]:
    content = _content(directory / MANIFEST)
    if content is None:
        return {}
    try:
        manifest = json.loads(content)
        return {str(name): str(sha256) for name, sha256 in manifest.items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{directory / MANIFEST} is invalid: remove it") from error
