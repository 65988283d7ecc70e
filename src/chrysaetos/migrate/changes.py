"""Change several files as one unit, with backups, and undo the change.

A change writes to the directory of the first configuration file:

    chrysaetos-migrate-SERVICE-STAMP.json       the journal: files, backups, digests, state

and next to each file FILE, after following symbolic links:

    FILE.chrysaetos-STAMP.bak                   the old content, with owner and mode
    FILE.chrysaetos-STAMP.tmp                   the new content, until it is renamed to FILE

The order is: backups, new contents as .tmp, the journal ("begun"), a rename for each file, the external
change (a database, in one transaction), the journal ("applied"). Each step is synced to disk before the next.
So at any time each file is either the old or the new one, and a journal in the state "begun" tells the next
run what to undo first. None of the names ends with .conf, so the service does not read these files.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.files import explain_os_error, remove_files, sync_directory, write_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from chrysaetos.migrate.services import ExternalChange

__all__ = ["UNDONE", "Entry", "Journal", "Store"]

BEGUN, APPLIED, UNDONE = "begun", "applied", "undone"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a change.

    Attributes:
        file: the file, after following symbolic links.
        backup: the copy of the old content.
        old, new: digests of the old and the new content.
    """

    file: Path
    backup: Path
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Journal:
    """One change.

    Attributes:
        path: the journal's file.
        stamp: the time of the change (UTC), which identifies it.
        state: "begun", "applied" or "undone".
        entries: the files.
        external: the data of the ``services.ExternalChange``; empty if there is none.
    """

    path: Path
    stamp: str
    state: str
    entries: tuple[Entry, ...]
    external: Mapping[str, Any]


class Store:
    """The changes of a service's files.

    Args:
        service: the service's name.
        directories: the directories of its files; new journals are written to the first.
        now: returns the current time.
    """

    def __init__(
        self,
        service: str,
        directories: Sequence[Path],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._prefix = f"chrysaetos-migrate-{service}-"
        self._directories = list(dict.fromkeys(directories))
        self._now = now

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the files while the block runs.

        Raises:
            MigrateError: another process has the lock.
        """
        directory = self._directories[0]
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise MigrateError(
                f"{directory}: another chrysaetos migrate is running; wait until it has finished"
            ) from error
        finally:
            os.close(descriptor)

    def journals(self) -> list[Journal]:
        """Return all changes in order of time.

        Raises:
            MigrateError: a journal cannot be read.
        """
        paths = {p for directory in self._directories for p in directory.glob(f"{self._prefix}*.json")}
        return sorted((_load(path) for path in paths), key=lambda journal: journal.stamp)

    def unfinished(self) -> Journal | None:
        """Return the unfinished change, None if there is none."""
        return next((journal for journal in self.journals() if journal.state == BEGUN), None)

    def commit(
        self,
        contents: Mapping[Path, tuple[bytes, bytes]],
        check: Callable[[Mapping[Path, Path]], None],
        external_change: ExternalChange | None = None,
    ) -> Journal:
        """Change files.

        Args:
            contents: the current and the new content of each file.
            check: called before the change with the staged files; an exception cancels the change.
            external_change: the change outside the files.

        Returns:
            The journal, which names the backups.

        Raises:
            MigrateError: nothing was changed, or everything was restored.
        """
        stamp = self._stamp()
        entries = tuple(
            Entry(path, _sibling(path, stamp, "bak"), _digest(old), _digest(new))
            for path, (old, new) in contents.items()
        )
        path = self._directories[0] / f"{self._prefix}{stamp}.json"
        journal = Journal(
            path, stamp, BEGUN, entries, {} if external_change is None else external_change.data
        )
        self._remove_staged(entries)
        created = [path, path.with_suffix(".tmp")]
        try:
            for entry in entries:
                old, new = contents[entry.file]
                for copy, data in ((entry.backup, old), (_staged(entry, stamp), new)):
                    created.append(copy)
                    _write(copy, data, entry.file)
            check({entry.file: _staged(entry, stamp) for entry in entries})
            for entry in entries:
                _check_unchanged(entry)
            _save(journal)
        except BaseException:
            # The journal may already have its name. It is removed first, since it requires the backups.
            remove_files(created)
            raise
        try:
            for entry in entries:
                _rename(_staged(entry, stamp), entry.file)
            if external_change is not None:
                external_change.apply()
            return _save(replace(journal, state=APPLIED))
        except BaseException:
            self.undo(journal, external_change)
            raise

    def undo(
        self, journal: Journal, external_change: ExternalChange | None = None, *, force: bool = False
    ) -> list[Path]:
        """Restore every file of a change. Calling it again has no effect.

        Args:
            journal: the change.
            external_change: the change outside the files.
            force: also restore a file that was changed since; its content is kept in a further backup.

        Returns:
            The files that were restored.

        Raises:
            MigrateError: a backup is missing or modified, or a file was changed since. Nothing is changed.
        """
        restored: list[tuple[Entry, bytes]] = []
        for entry in journal.entries:
            current = _digest(_read(entry.file)) if entry.file.exists() else ""
            if current == entry.old:
                continue
            if current != entry.new and not force:
                raise MigrateError(
                    f"{entry.file} was changed after the move of {journal.stamp}; restore it manually from "
                    f"{entry.backup}, or run rollback --force, which keeps the current content in another "
                    "backup"
                )
            old = _read(entry.backup)
            if _digest(old) != entry.old:
                raise MigrateError(f"{entry.backup}: the backup was modified; restore {entry.file} manually")
            restored.append((entry, old))
        if journal.state == APPLIED and restored:
            # If this is interrupted, the next run restores the rest first.
            _save(replace(journal, state=BEGUN))
        if external_change is not None:
            external_change.undo()
        for entry, old in restored:
            stamp = self._stamp()
            if entry.file.exists() and _digest(_read(entry.file)) != entry.new:
                _write(_sibling(entry.file, stamp, "bak"), _read(entry.file), entry.file)
            staged = _sibling(entry.file, stamp, "tmp")
            _write(staged, old, entry.backup)
            _rename(staged, entry.file)
        if journal.state != UNDONE:
            _save(replace(journal, state=UNDONE))
        self._remove_staged(journal.entries)
        return [entry.file for entry, _ in restored]

    def _remove_staged(self, entries: Sequence[Entry]) -> None:
        """Remove new contents and journals that were not renamed, also those of runs that were killed."""
        for entry in entries:
            remove_files(list(entry.file.parent.glob(f"{glob.escape(entry.file.name)}.chrysaetos-*.tmp")))
        for directory in self._directories:
            remove_files(list(directory.glob(f"{self._prefix}*.tmp")))

    def _stamp(self) -> str:
        """Return the time in seconds, with a number if it is already used."""
        base = self._now().strftime("%Y%m%dT%H%M%SZ")
        taken = {
            path.name
            for directory in self._directories
            for pattern in (f"{self._prefix}{base}*", f"*.chrysaetos-{base}*")
            for path in directory.glob(pattern)
        }
        stamp, number = base, 1
        while any(f"-{stamp}." in name for name in taken):
            number += 1
            stamp = f"{base}-{number}"
        return stamp


def _check_unchanged(entry: Entry) -> None:
    if _digest(_read(entry.file)) != entry.old:
        raise MigrateError(f"{entry.file}: was changed by another program in the meantime; try again")


def _sibling(path: Path, stamp: str, ending: str) -> Path:
    return path.with_name(f"{path.name}.chrysaetos-{stamp}.{ending}")


def _staged(entry: Entry, stamp: str) -> Path:
    return _sibling(entry.file, stamp, "tmp")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise explain_os_error(path, "cannot be read", error) from error


def _write(path: Path, data: bytes, model: Path) -> None:
    try:
        write_like(path, data, model)
        sync_directory(path.parent)
    except OSError as error:
        raise explain_os_error(path, "cannot be written", error) from error


def _rename(source: Path, target: Path) -> None:
    try:
        source.replace(target)
        sync_directory(target.parent)
    except OSError as error:
        raise explain_os_error(target, "cannot be replaced", error) from error


def _save(journal: Journal) -> Journal:
    """Write a journal atomically."""
    content: dict[str, Any] = {
        "version": 1,
        "stamp": journal.stamp,
        "state": journal.state,
        "external": dict(journal.external),
        "files": [
            {"file": str(e.file), "backup": str(e.backup), "old": e.old, "new": e.new}
            for e in journal.entries
        ],
    }
    staged = journal.path.with_suffix(".tmp")
    remove_files([staged])
    _write(staged, (json.dumps(content, indent=2) + "\n").encode(), journal.entries[0].file)
    _rename(staged, journal.path)
    return journal


def _load(path: Path) -> Journal:
    try:
        content = json.loads(_read(path))
        entries = tuple(
            Entry(Path(item["file"]), Path(item["backup"]), item["old"], item["new"])
            for item in content["files"]
        )
        return Journal(path, content["stamp"], content["state"], entries, content["external"])
    except (ValueError, KeyError, TypeError) as error:
        raise MigrateError(
            f"{path}: is not a journal of this program; move it to another directory"
        ) from error
