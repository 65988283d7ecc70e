"""Writing a set of generated files: all of them or none, and nothing that somebody has made is lost."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chrysaetos.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LEDGER", "File", "check_prometheus", "scalar", "write_files"]

LEDGER = ".written.json"
"""Beside the files: name → SHA-256 of what was written last, to know what has been changed since."""
_MODE = 0o644
"""Of new files; one that is there keeps its own. None of them holds a secret."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to write.

    Attributes:
        name: its path within the directory.
        text: its content.
        ours: whether it is overwritten whatever is there, since what is there has been read.
    """

    name: str
    text: str
    ours: bool = False


def scalar(value: str) -> str:
    """A text as a YAML scalar, in single quotes where double ones would need escapes.

    JSON's strings are YAML's, but for what cannot be printed (YAML 1.2, 5.1) and pairs of surrogates.
    """
    if '"' in value and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)


def write_files(directory: Path, files: Sequence[File], *, force: bool, renew: bool = False) -> list[str]:
    """Write files.

    Args:
        directory: where to; made if missing.
        files: what to write.
        force: whether files with another content are overwritten.
        renew: whether those that are as this function left them are, without `force`.

    Returns:
        The names of those that are new or changed.

    Raises:
        ConfigError: one is there with another content, or cannot be written. Then none is.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        known = _read_ledger(directory) if renew else {}
        there = {one.name: _content(directory / one.name) for one in files}
    except OSError as error:
        raise ConfigError(f"{directory} cannot be used: {error}") from error
    changed = [one for one in files if there[one.name] != one.text.encode()]
    if not force:
        own = [
            one.name
            for one in changed
            if not one.ours
            and (content := there[one.name]) is not None
            and known.get(one.name) != _digest(content)
        ]
        if own:
            raise ConfigError(
                f"{', '.join(own)} in {directory}: there already, with another content; nothing was written "
                "(--force overwrites)"
            )
    ledger = json.dumps({**known, **{one.name: _digest(one.text.encode()) for one in files}}, indent=2) + "\n"
    with_ledger = [*changed, File(LEDGER, ledger)] if renew else changed
    try:
        _replace(directory, with_ledger)
    except OSError as error:
        raise ConfigError(f"{directory}: nothing was written: {error}") from error
    return [one.name for one in changed]


def check_prometheus(files: Sequence[File], name: str) -> None:
    """Let promtool look at a configuration before it is written, where there is a promtool.

    Args:
        files: all that belongs to it.
        name: that of the configuration.

    Raises:
        ConfigError: promtool does not take it.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        return
    with tempfile.TemporaryDirectory(prefix="chrysaetos-") as directory:
        write_files(Path(directory), files, force=False)
        command = [promtool, "check", "config", "--syntax-only", str(Path(directory) / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found on PATH
    if done.returncode != 0:
        raise ConfigError(f"promtool does not take {name}: {(done.stderr + done.stdout).strip()}")


def _replace(directory: Path, files: Sequence[File]) -> None:
    """Write all beside their places first; what can fail fails there."""
    mark = f".{secrets.token_hex(4)}.new"
    staged: list[tuple[Path, Path]] = []
    before: list[tuple[Path, bytes | None]] = []
    try:
        for one in files:
            path = directory / one.name
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(path.name + mark)
            staged.append((scratch, path))
            mode = path.stat().st_mode & 0o7777 if path.exists() else _MODE
            handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(one.text)
                file.flush()
                os.fsync(handle)
                os.fchmod(handle, mode)
        for scratch, path in staged:
            content = _content(path)
            scratch.replace(path)
            before.append((path, content))
    except BaseException:
        for path, content in before:
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
        raise
    finally:
        for scratch, _ in staged:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_ledger(directory: Path) -> dict[str, str]:
    content = _content(directory / LEDGER)
    if content is None:
        return {}
    try:
        ledger = json.loads(content)
        return {str(name): str(digest) for name, digest in ledger.items()}
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{directory / LEDGER} is damaged: remove it") from error
