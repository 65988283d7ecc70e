"""The demo's directory, permanent or temporary, with the data kept between starts."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.demo.processes import DemoError, free_port, private_directory
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["State", "open_state"]

_MARKER = ".chrysaetos-demo"
"""The file that marks the directory of a demo. A running demo locks it."""


class State:
    """A directory with JSON files and the directories of servers.

    Args:
        directory: an existing directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def load(self, name: str) -> Any:
        """Return the values that ``save`` wrote to a file; None if it does not exist.

        Raises:
            DemoError: the file cannot be read or is not JSON.
        """
        path = self.directory / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DemoError(f"{path}: cannot be read; remove the directory to start again") from error

    def save(self, name: str, values: Any) -> None:
        """Write values as JSON to a file, atomically and with mode 0600."""
        replace_file(self.directory / name, json.dumps(values, indent=2) + "\n")

    def forget(self, *names: str) -> None:
        """Remove files and directories, if they exist."""
        for name in names:
            path = self.directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def ports(self, names: Sequence[str]) -> dict[str, int]:
        """Return a free port for each name: the port of the last start if it is still free."""
        known = self.load("ports.json") or {}
        chosen: dict[str, int] = {}
        for name in names:
            chosen[name] = free_port(known.get(name), chosen.values())
        self.save("ports.json", chosen)
        return chosen


@contextmanager
def open_state(directory: Path | None) -> Iterator[State]:
    """Lock the demo's directory while the block runs.

    Args:
        directory: a directory that is missing, empty, or belongs to an earlier demo; None for a temporary
            directory that is removed after the block.

    Raises:
        DemoError: the directory contains other files, cannot be used, or is in use by another demo.
    """
    if directory is None:
        temporary = Path(tempfile.mkdtemp(prefix="chrysaetos-demo-"))
        try:
            yield State(temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return
    directory = directory.expanduser().absolute()
    try:
        # Do not change the permissions of a directory with other files, or remove its files.
        foreign = directory.exists() and any(directory.iterdir()) and not (directory / _MARKER).exists()
    except OSError as error:
        raise DemoError(f"{directory}: cannot be used as a directory: {error.strerror}") from error
    if foreign:
        raise DemoError(f"{directory}: is not empty and does not belong to a demo")
    private_directory(directory)
    try:
        with (directory / _MARKER).open("a") as marker:
            try:
                fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DemoError(f"{directory}: another demo is running here") from error
            yield State(directory)
    except PermissionError as error:
        raise DemoError(f"{directory}: {error.strerror}") from error
