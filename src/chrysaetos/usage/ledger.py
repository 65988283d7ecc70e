"""The ledger: what has been counted, in SQLite, so that nothing is counted twice and nothing is lost.

Nova forgets: deleted servers are archived, and a resized one counts as if it had always had its new flavor.
So each window of time is asked for once, and added here, in one transaction with the time up to which all is
counted.

    usage     one row for each server and flavor, with the hours so far
    projects  as Keystone had them last, so that a restart has labels at once
    names     the project that a SimpleVM server belongs to; it outlives the server
    facts     what the ledger is of, from when and up to when
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from chrysaetos.usage.records import Project, ServerUsage, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Self

__all__ = ["Ledger"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE usage (
    instance_id TEXT NOT NULL, project_id TEXT NOT NULL,
    vcpus INTEGER NOT NULL, memory_mb INTEGER NOT NULL, disk_gb INTEGER NOT NULL, started_at REAL NOT NULL,
    hours REAL NOT NULL, existed INTEGER NOT NULL,
    PRIMARY KEY (instance_id, project_id, vcpus, memory_mb, disk_gb, started_at)
) WITHOUT ROWID;
CREATE TABLE projects (id TEXT PRIMARY KEY, name TEXT, domain_id TEXT, domain_name TEXT) WITHOUT ROWID;
CREATE TABLE names (instance_id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET hours = hours + excluded.hours, existed = excluded.existed
"""


class Ledger:
    """An open ledger. One process has it at a time.

    Args:
        path: its file; made if it is not there, readable by its owner alone.
        of: what it counts (a cloud, a region): one file does not mix two of them.
        start: seconds since the epoch; from when on is counted.

    Raises:
        UsageError: if the file cannot be opened, is in use, is damaged, or is the ledger of something else.
    """

    def __init__(self, path: Path, *, of: str, start: float) -> None:
        self._path = path
        self._start = start
        try:
            path.touch(mode=0o600)
            # The loop and the first snapshot use it from different threads, one after the other.
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
            try:
                self._open(of)
            except BaseException:
                self._database.close()
                raise
        except sqlite3.OperationalError as error:
            raise UsageError(f"the ledger {path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"{path} is damaged or no ledger ({error}): move it away, then all is fetched anew"
            ) from error
        except OSError as error:
            raise UsageError(f"the ledger {path} cannot be opened: {error.strerror}") from error

    def _open(self, of: str) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA synchronous = FULL")
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise UsageError(
                f"the ledger {self._path} is of version {version}; this program writes {_VERSION}"
            )
        with self._transaction():
            if not version:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
                self._set({"of": of, "start": self._start, "counted": self._start})
        known = self._get("of")
        if known != of:
            raise UsageError(f"the ledger {self._path} is of {known}, not of {of}: give another --state")
        known = self._get("start")
        if known != self._start:
            raise UsageError(
                f"the ledger {self._path} counts from {known:.0f} (epoch seconds), not from "
                f"{self._start:.0f}: give another --state for another start date"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:  # on a full disk SQLite has rolled it back itself
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _get(self, name: str) -> float | str:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise UsageError(f"the ledger {self._path} lacks {name}: move it away, then all is fetched anew")
        value: float | str = row[0]
        return value

    def _set(self, facts: Mapping[str, float | str]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    @property
    def start(self) -> float:
        """From when on it counts, in seconds since the epoch."""
        return self._start

    @property
    def counted(self) -> float:
        """Up to when all is counted, in seconds since the epoch."""
        return float(self._get("counted"))

    def add(
        self,
        until: float,
        usages: Iterable[ServerUsage],
        projects: Iterable[Project],
        names: Mapping[str, str],
    ) -> None:
        """Add a window that begins where the last one ended; all of it or nothing.

        Args:
            until: its end, in seconds since the epoch.
            usages: what servers used in it.
            projects: all projects that there are.
            names: instance id → name of its SimpleVM project, of the servers that there are.

        Raises:
            UsageError: if the window ends before what is counted, or the file cannot be written: a full disk.
        """
        if until < self.counted:
            raise UsageError("the clock went back before what is counted: waiting for it", reason="clock")
        try:
            with self._transaction():
                self._database.execute("UPDATE usage SET existed = 0 WHERE existed")
                self._database.executemany(
                    _ADD,
                    (
                        (
                            *(one.instance_id, one.project_id, one.vcpus, one.memory_mb, one.disk_gb),
                            *(one.started_at, one.hours, one.exists),
                        )
                        for one in usages
                    ),
                )
                self._database.execute("DELETE FROM projects")
                self._database.executemany("INSERT INTO projects VALUES (?, ?, ?, ?)", projects)
                self._database.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", names.items())
                self._set({"counted": until})
        except sqlite3.Error as error:
            raise UsageError(
                f"the ledger {self._path} cannot be written: {error}", reason="ledger"
            ) from error

    def usages(self) -> Iterator[ServerUsage]:
        """Everything counted, one for each server and flavor."""
        rows = self._database.execute(
            "SELECT instance_id, project_id, vcpus, memory_mb, disk_gb, hours, started_at, existed FROM usage"
        )
        with closing(rows):
            for row in rows:
                yield ServerUsage(*row)

    def projects(self) -> list[Project]:
        """The projects that there were when it was last added to."""
        return [Project(*row) for row in self._database.execute("SELECT * FROM projects ORDER BY id")]

    def names(self) -> dict[str, str]:
        """Instance id → name of its SimpleVM project, of all servers that there ever were."""
        return dict(self._database.execute("SELECT instance_id, name FROM names"))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
