"""Write a set of generated files: all or none, and without overwriting files that were edited."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
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

__all__ = ["MANIFEST", "File", "check_prometheus", "fill_template", "write_files", "yaml_scalar"]

MANIFEST = ".written.json"
"""File in the directory that maps each name to the SHA-256 of its last generated content, to detect edits."""
_PLACEHOLDER = re.compile(r"@@[A-Z_]+@@")
_MODE = 0o644
"""Mode of new files without a secret. Existing files keep their mode."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to write.

    Attributes:
        name: its path relative to the directory.
        text: its content.
        rewrite: whether to overwrite an existing file in any case, because ``text`` was derived from it.
        mode: its mode; None for that of the existing file, or 0644.
        group: the id of its group; None for the default.
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
    try:
        directory.mkdir(parents=True, exist_ok=True)
        known = _read_manifest(directory) if update else {}
        existing = {file.name: _content(directory / file.name) for file in files}
    except OSError as error:
        raise ConfigError(f"{directory} cannot be used: {error}") from error
    changed = [file for file in files if existing[file.name] != file.text.encode()]
    if not force:
        edited = [
            file.name
            for file in changed
            if not file.rewrite
            and (content := existing[file.name]) is not None
            and known.get(file.name) != _hash(content)
        ]
        if edited:
            raise ConfigError(
                f"{', '.join(edited)} in {directory}: exists with different content; no file was written "
                "(use --force to overwrite)"
            )
    written = list(changed)
    if update:
        hashes = {**known, **{file.name: _hash(file.text.encode()) for file in files}}
        written.append(File(MANIFEST, json.dumps(hashes, indent=2) + "\n"))
    try:
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
    suffix = f".{secrets.token_hex(4)}.new"
    staged: list[tuple[Path, Path]] = []
    replaced: list[tuple[Path, bytes | None]] = []
    try:
        for file in files:
            path = directory / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(path.name + suffix)
            staged.append((temporary, path))
            mode = file.mode
            if mode is None:
                mode = path.stat().st_mode & 0o7777 if path.exists() else _MODE
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(file.text)
                stream.flush()
                os.fsync(handle)
                if file.group is not None:
                    os.fchown(handle, -1, file.group)
                os.fchmod(handle, mode)
        for temporary, path in staged:
            content = _content(path)
            temporary.replace(path)
            replaced.append((path, content))
    except BaseException:
        for path, content in replaced:
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
        raise
    finally:
        for temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


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
