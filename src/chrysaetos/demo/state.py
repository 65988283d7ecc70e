"""The demo's folder: one demo at a time, kept or temporary, and what it remembers between starts."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.demo.processes import DemoError, free_port, private_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["State", "open_state"]

_MARK = ".chrysaetos-demo"
"""The file that says that a folder is a demo's, and that a running demo holds locked."""


class State:
    """A folder with JSON files and servers' folders in it.

    Args:
        directory: an existing folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def load(self, name: str) -> Any:
        """What `save` wrote under a name, or None.

        Raises:
            DemoError: the file does not hold JSON.
        """
        path = self.directory / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DemoError(f"{path}: cannot be read; remove the folder to start afresh") from error

    def save(self, name: str, values: Any) -> None:
        """Write JSON values to a file of mode 0600, in one step."""
        write_private(self.directory / name, json.dumps(values, indent=2) + "\n")

    def forget(self, *names: str) -> None:
        """Remove files and folders, whether they exist or not."""
        for name in names:
            path = self.directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def ports(self, names: Sequence[str]) -> dict[str, int]:
        """A free port for each name: that of the last start wherever it is free."""
        known = self.load("ports.json") or {}
        chosen: dict[str, int] = {}
        for name in names:
            chosen[name] = free_port(known.get(name), chosen.values())
        self.save("ports.json", chosen)
        return chosen


@contextmanager
def open_state(directory: Path | None) -> Iterator[State]:
    """Hold a state folder while the block runs.

    Args:
        directory: a folder that is missing, empty or an earlier demo's, to keep; None for a temporary one
            that is removed behind the block.

    Raises:
        DemoError: the folder is something else, cannot be used, or another demo runs in it.
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
        # Files of other people must neither be locked out of nor removed.
        foreign = directory.exists() and any(directory.iterdir()) and not (directory / _MARK).exists()
    except OSError as error:
        raise DemoError(f"{directory}: cannot be used as a folder: {error.strerror}") from error
    if foreign:
        raise DemoError(f"{directory}: is not empty, and not the state of a demo")
    private_directory(directory)
    try:
        with (directory / _MARK).open("a") as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DemoError(f"{directory}: another demo runs here") from error
            yield State(directory)
    except PermissionError as error:
        raise DemoError(f"{directory}: {error.strerror}") from error
