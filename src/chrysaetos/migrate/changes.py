"""Changing several files as one, with backups, and taking it back.

For one change, in the folder of the first configuration file:

    chrysaetos-migrate-SERVICE-STAMP.json       the journal: files, backups, digests, how far it came

and beside each file FILE, symbolic links followed:

    FILE.chrysaetos-STAMP.bak                   what it was, with its owner and mode
    FILE.chrysaetos-STAMP.tmp                   what it becomes, until it is renamed over FILE

The order is: backups, new contents as .tmp, the journal ("begun"), a rename for each file, what is changed
beside the files (a database, in one transaction), the journal ("applied"). Each of these is on the disk
before the next. So whenever the process ends, each file is the old or the new one; and a journal that says
"begun" tells the next run what to put back first. None of the names ends with .conf, so the service does not
read them.
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
from chrysaetos.migrate.files import explained, remove_quietly, sync_directory, write_like

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from chrysaetos.migrate.services import Companion

__all__ = ["Entry", "Journal", "Store"]

BEGUN, APPLIED, UNDONE = "begun", "applied", "undone"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a change.

    Attributes:
        file: symbolic links followed.
        backup: its copy from before.
        old, new: digests of what it was and what it becomes.
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
        stamp: when it was made (UTC); the change's name.
        state: "begun", "applied" or "undone".
        entries: its files.
        beside: what `services.Companion` keeps to take its part back; empty where there is none.
    """

    path: Path
    stamp: str
    state: str
    entries: tuple[Entry, ...]
    beside: Mapping[str, Any]


class Store:
    """The changes of a service's files.

    Args:
        service: its name.
        directories: where its files are; new journals go to the first.
        now: the present time.
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
        """Hold the files while the block runs.

        Raises:
            MigrateError: another process does.
        """
        directory = self._directories[0]
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise MigrateError(
                f"{directory}: another chrysaetos migrate is at work here; wait for its end"
            ) from error
        finally:
            os.close(descriptor)

    def journals(self) -> list[Journal]:
        """Every change, the oldest first.

        Raises:
            MigrateError: a journal cannot be read.
        """
        paths = {p for directory in self._directories for p in directory.glob(f"{self._prefix}*.json")}
        return sorted((_load(path) for path in paths), key=lambda journal: journal.stamp)

    def broken_off(self) -> Journal | None:
        """The change that was not brought to its end, if there is one."""
        return next((journal for journal in self.journals() if journal.state == BEGUN), None)

    def commit(
        self,
        contents: Mapping[Path, tuple[bytes, bytes]],
        check: Callable[[Mapping[Path, Path]], None],
        companion: Companion | None = None,
    ) -> Journal:
        """Change files.

        Args:
            contents: the present and the new content of each.
            check: called with the file that has the new content of each, before anything is changed; what it
                raises ends the commit.
            companion: what is changed with them.

        Returns:
            The journal, which names the backups.

        Raises:
            MigrateError: nothing was changed, or everything was put back.
        """
        stamp = self._stamp()
        entries = tuple(
            Entry(path, _beside(path, stamp, "bak"), _digest(old), _digest(new))
            for path, (old, new) in contents.items()
        )
        path = self._directories[0] / f"{self._prefix}{stamp}.json"
        journal = Journal(path, stamp, BEGUN, entries, {} if companion is None else companion.data)
        for entry in entries:
            # Left by a run that ended before it had a journal.
            remove_quietly(list(entry.file.parent.glob(f"{glob.escape(entry.file.name)}.chrysaetos-*.tmp")))
        made: list[Path] = []
        try:
            for entry in entries:
                old, new = contents[entry.file]
                for path, data in ((entry.backup, old), (_staged(entry, stamp), new)):
                    made.append(path)
                    _write(path, data, entry.file)
            check({entry.file: _staged(entry, stamp) for entry in entries})
            for entry in entries:
                self._unchanged(entry, entry.old)
            _save(journal)
        except BaseException:
            remove_quietly(made)
            raise
        try:
            for entry in entries:
                _rename(_staged(entry, stamp), entry.file)
            if companion is not None:
                companion.apply()
            return _save(replace(journal, state=APPLIED))
        except BaseException:
            self.undo(journal, companion)
            raise

    def undo(
        self, journal: Journal, companion: Companion | None = None, *, force: bool = False
    ) -> list[Path]:
        """Put every file of a change back. Doing it twice is harmless.

        Args:
            journal: the change.
            companion: what was changed with them.
            force: also put back a file that was changed afterwards; its content is kept in a dated copy.

        Returns:
            The files that were put back.

        Raises:
            MigrateError: a backup is gone or not as it was, or a file was changed since. Nothing is changed.
        """
        back: list[tuple[Entry, bytes]] = []
        for entry in journal.entries:
            present = _digest(_read(entry.file)) if entry.file.exists() else ""
            if present == entry.old:
                continue
            if present != entry.new and not force:
                raise MigrateError(
                    f"{entry.file} was changed after the move of {journal.stamp}; take over by hand what "
                    f"{entry.backup} has, or use --force: the present content is then kept beside it"
                )
            old = _read(entry.backup)
            if _digest(old) != entry.old:
                raise MigrateError(f"{entry.backup}: is not as it was made; put {entry.file} back by hand")
            back.append((entry, old))
        if companion is not None:
            companion.undo()
        for entry, old in back:
            stamp = self._stamp()
            if entry.file.exists() and _digest(_read(entry.file)) != entry.new:
                _write(_beside(entry.file, stamp, "bak"), _read(entry.file), entry.file)
            staged = _beside(entry.file, stamp, "tmp")
            _write(staged, old, entry.backup)
            _rename(staged, entry.file)
        if journal.state != UNDONE:
            _save(replace(journal, state=UNDONE))
        remove_quietly([_staged(entry, journal.stamp) for entry in journal.entries])
        return [entry.file for entry, _ in back]

    def _unchanged(self, entry: Entry, digest: str) -> None:
        if _digest(_read(entry.file)) != digest:
            raise MigrateError(f"{entry.file}: was changed by somebody else in the meantime; try again")

    def _stamp(self) -> str:
        """The time to the second; with a number if it is taken."""
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


def _beside(path: Path, stamp: str, ending: str) -> Path:
    return path.with_name(f"{path.name}.chrysaetos-{stamp}.{ending}")


def _staged(entry: Entry, stamp: str) -> Path:
    return _beside(entry.file, stamp, "tmp")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise explained(path, "cannot be read", error) from error


def _write(path: Path, data: bytes, model: Path) -> None:
    try:
        write_like(path, data, model)
        sync_directory(path.parent)
    except OSError as error:
        raise explained(path, "cannot be written", error) from error


def _rename(source: Path, target: Path) -> None:
    try:
        source.replace(target)
        sync_directory(target.parent)
    except OSError as error:
        raise explained(target, "cannot be replaced", error) from error


def _save(journal: Journal) -> Journal:
    """Write a journal in one step."""
    content: dict[str, Any] = {
        "version": 1,
        "stamp": journal.stamp,
        "state": journal.state,
        "beside": dict(journal.beside),
        "files": [
            {"file": str(e.file), "backup": str(e.backup), "old": e.old, "new": e.new}
            for e in journal.entries
        ],
    }
    staged = journal.path.with_suffix(".tmp")
    remove_quietly([staged])
    _write(staged, (json.dumps(content, indent=2) + "\n").encode(), journal.entries[0].backup)
    _rename(staged, journal.path)
    return journal


def _load(path: Path) -> Journal:
    try:
        content = json.loads(_read(path))
        entries = tuple(
            Entry(Path(item["file"]), Path(item["backup"]), item["old"], item["new"])
            for item in content["files"]
        )
        return Journal(path, content["stamp"], content["state"], entries, content["beside"])
    except (ValueError, KeyError, TypeError) as error:
        raise MigrateError(f"{path}: is not a journal of this program; move it away") from error
