"""The ledger: an SQLite file with the usage counted so far, so that no usage is counted twice or lost.

Nova does not keep the usage: deleted servers are archived, and a resized server is reported as if it had
always had its new flavor. Therefore the exporter requests each time window once and adds it to the ledger.
One transaction stores the usage and the time up to which usage has been counted.

    usage     one row for each server and flavor, with its hours so far
    projects  the projects at the last update, for the labels after a restart
    names     the project that each SimpleVM server belongs to; kept after the server is deleted
    facts     the source of the ledger, its start date and the time up to which usage has been counted
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from chrysaetos.usage.records import Project, ServerUsage, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Ledger", "check_pages"]

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


def check_pages(database: sqlite3.Connection) -> None:
    """Check the pages of a file.

    Otherwise a damaged page is only found when its rows are read, and may change the totals silently.

    Raises:
        sqlite3.DatabaseError: a page is damaged, as in a copy that was made while the exporter was writing.
    """
    problem = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise sqlite3.DatabaseError(problem.splitlines()[-1])


class Ledger:
    """An open ledger. Only one process can open it at a time.

    Args:
        path: the file, which is created with mode 0600 if it does not exist.
        source: identifies the cloud and region; a ledger has only one source.
        start: the start date, in seconds since the epoch.

    Raises:
        UsageError: the file cannot be opened, is in use, is damaged, or has another source or start date.
    """

    def __init__(self, path: Path, *, source: str, start: float) -> None:
        self._path = path
        self._start = start
        try:
            path.touch(mode=0o600)
            # The first snapshot and the update loop use the ledger from different threads, but never at once.
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
            try:
                self._open(source)
            except BaseException:
                self._database.close()
                raise
        except sqlite3.OperationalError as error:
            raise UsageError(f"the ledger {path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"{path} is damaged or not a ledger ({error}): move it away to start again"
            ) from error
        except OSError as error:
            raise UsageError(f"the ledger {path} cannot be opened: {error.strerror}") from error

    def _open(self, source: str) -> None:
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA synchronous = FULL")
        check_pages(self._database)
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise UsageError(
                f"the ledger {self._path} has version {version}; this program supports version {_VERSION}"
            )
        with self._transaction():
            if not version:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {_VERSION}")
                self._set({"of": source, "start": self._start, "counted": self._start})
        stored = self._get("of")
        if stored != source:
            raise UsageError(
                f"the ledger {self._path} belongs to {stored}, not to {source}: give another --state"
            )
        stored = self._get("start")
        if stored != self._start:
            raise UsageError(
                f"the ledger {self._path} counts from {stored:.0f} (epoch seconds), not from "
                f"{self._start:.0f}: give another --state for another start date"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN EXCLUSIVE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:  # SQLite itself rolls back if the disk is full
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise UsageError(f"the ledger {self._path} cannot be used: {error}", reason="ledger") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"{self._path} is damaged ({error}): stop the exporter and restore the file from a backup, "
                "or move it away to start again",
                reason="ledger",
            ) from error

    def _get(self, name: str) -> float | str:
        with self._explain_errors():
            row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise UsageError(f"the ledger {self._path} lacks {name}: move it away to start again")
        value: float | str = row[0]
        return value

    def _set(self, facts: Mapping[str, float | str]) -> None:
        self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    @property
    def counted_until(self) -> float:
        """The time up to which usage has been counted, in seconds since the epoch."""
        return float(self._get("counted"))

    def add(
        self,
        until: float,
        usages: Iterable[ServerUsage],
        projects: Iterable[Project],
        names: Mapping[str, str],
    ) -> None:
        """Add a time window that begins where the last one ended, in one transaction.

        Args:
            until: the end of the window, in seconds since the epoch.
            usages: the usage of servers in the window.
            projects: all current projects.
            names: the SimpleVM project name of each current server, by instance id.

        Raises:
            UsageError: the window has already been counted, or the file cannot be written.
        """
        if until < self.counted_until:
            raise UsageError("the clock was set back before the last update: waiting", reason="clock")
        with self._explain_errors(), self._transaction():
            self._database.execute("UPDATE usage SET existed = 0 WHERE existed")
            self._database.executemany(
                _ADD,
                (
                    (
                        *(usage.instance_id, usage.project_id),
                        *(usage.vcpus, usage.memory_mb, usage.disk_gb),
                        *(usage.started_at, usage.hours, usage.exists),
                    )
                    for usage in usages
                ),
            )
            self._database.execute("DELETE FROM projects")
            self._database.executemany("INSERT INTO projects VALUES (?, ?, ?, ?)", projects)
            self._database.executemany("INSERT OR REPLACE INTO names VALUES (?, ?)", names.items())
            self._set({"counted": until})

    def usages(self) -> Iterator[ServerUsage]:
        """Yield the usage counted so far, for each server and flavor."""
        with (
            self._explain_errors(),
            closing(
                self._database.execute(
                    "SELECT instance_id, project_id, vcpus, memory_mb, disk_gb, hours, started_at, existed "
                    "FROM usage"
                )
            ) as rows,
        ):
            for row in rows:
                yield ServerUsage(*row)

    def projects(self) -> list[Project]:
        """Return the projects at the last update."""
        with self._explain_errors():
            return [Project(*row) for row in self._database.execute("SELECT * FROM projects ORDER BY id")]

    def names(self) -> dict[str, str]:
        """Return the SimpleVM project names of all servers, also of deleted servers, by instance id."""
        with self._explain_errors():
            return dict(self._database.execute("SELECT instance_id, name FROM names"))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
