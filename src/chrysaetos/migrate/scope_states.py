"""CloudKitty's scope states: the time up to which each scope is rated, stored by collector and fetcher.

The table ``cloudkitty_storage_states`` (``cloudkitty/storage_state/models.py``) is unique in (identifier,
scope_key, collector, fetcher). With other names, CloudKitty finds no state, starts each scope at the start of
the month, and rates again. So the states get the new names together with the configuration, and keep their
times. A rollback gives the old names also to the states that were created since.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from chrysaetos.findings import Finding, failed, ok
from chrysaetos.migrate.cloudkitty import Names
from chrysaetos.migrate.errors import MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ScopeStates", "running_processors"]

_TABLE = sa.table(
    "cloudkitty_storage_states",
    sa.column("id"),
    sa.column("identifier"),
    sa.column("scope_key"),
    sa.column("collector"),
    sa.column("fetcher"),
    sa.column("last_processed_timestamp"),
)
_PROGRAM = "cloudkitty-processor"
_OLD_NAME = "prometheus"


def running_processors(proc: Path = Path("/proc")) -> list[int]:
    """Return the process ids of CloudKitty's processors on this machine."""
    found = []
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue  # the process has ended, or belongs to another user
        if any(argument.rpartition(b"/")[2] == _PROGRAM.encode() for argument in arguments[:2]):
            found.append(int(path.parent.name))
    return sorted(found)


class ScopeStates:
    """The states of a database, and the change of their names.

    Args:
        url: the SQLAlchemy URL in ``[database] connection``.
        old: the old names.
        new: the new names.
        rows: the states at the time of the change; None to read them.

    Attributes:
        data: the data for the journal: both names, and the states before the change.

    Raises:
        MigrateError: the database cannot be read.
    """

    def __init__(self, url: str, old: Names, new: Names, rows: list[dict[str, Any]] | None = None) -> None:
        try:
            self._engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        except (SQLAlchemyError, ImportError) as error:
            raise MigrateError(
                f"[database] connection: {type(error).__name__}; run this in CloudKitty's environment, which "
                "has the driver of the database"
            ) from error
        self._old = old
        self._new = new
        self._rows = self._read(old) if rows is None else rows
        self.data: Mapping[str, Any] = {"old": asdict(old), "new": asdict(new), "rows": self._rows}

    @classmethod
    def from_data(cls, url: str, data: Mapping[str, Any]) -> ScopeStates:
        """Return the change that a journal describes."""
        return cls(url, Names(**data["old"]), Names(**data["new"]), data["rows"])

    @property
    def step(self) -> str:
        """A description of the change."""
        count = f"{len(self._rows)} scope states"
        return f"database: {count} are moved from {_text(self._old)} to {_text(self._new)}"

    def blockers(self) -> Iterator[Finding]:
        """Check that no processor is running here; it would create states with the old names."""
        running = running_processors()
        if running:
            yield failed(
                "processor",
                f"{_PROGRAM} is running on this machine (process {', '.join(map(str, running))})",
                f"stop it on all machines during the move: systemctl stop {_PROGRAM}",
            )

    def check(self) -> Iterator[Finding]:
        """Check that no state has the new names."""
        existing = self._read(self._new)
        if existing:
            names = ", ".join(str(row["identifier"]) for row in existing[:5])
            yield failed(
                "scope states",
                f"{len(existing)} scopes already have a state for {_text(self._new)}: {names}",
                "they were rated under both names: decide which time is right for each scope, and delete the "
                "other state from cloudkitty_storage_states",
            )
        else:
            yield ok("scope states", f"{len(self._rows)} states of {_text(self._old)} can be moved")

    def unmoved_scopes(self) -> list[str]:
        """Return the scopes that have a state for prometheus, but none for the new names."""
        named = sa.or_(_TABLE.c.collector == _OLD_NAME, _TABLE.c.fetcher == _OLD_NAME)
        with self._transaction() as connection:
            moved = {row["identifier"] for row in self._select(connection, self._new)}
            rows = connection.execute(
                sa.select(_TABLE.c.identifier).where(named, _TABLE.c.scope_key == self._new.scope_key)
            )
            return sorted({str(row[0]) for row in rows} - moved)

    def apply(self) -> None:
        """Rename all states in one transaction.

        Raises:
            MigrateError: the states have changed since the plan.
        """
        with self._transaction() as connection:
            if self._select(connection, self._old) != self._rows:
                raise MigrateError(
                    f"the scope states have changed; stop {_PROGRAM} on all machines, and try again"
                )
            if self._select(connection, self._new):
                raise MigrateError(f"there already are scope states for {_text(self._new)}")
            self._rename(connection, self._old, self._new)

    def undo(self) -> None:
        """Give all states the old names, including states that were created since; keep their times.

        Raises:
            MigrateError: a scope has a state under both names.
        """
        moved = {row["id"] for row in self._rows}
        with self._transaction() as connection:
            old, new = self._select(connection, self._old), self._select(connection, self._new)
            if any(row["id"] in moved for row in old):
                return  # the change was not made, or is already undone
            counts = Counter(row["identifier"] for row in (*old, *new))
            duplicates = [str(identifier) for identifier, count in counts.items() if count > 1]
            if duplicates:
                raise MigrateError(
                    f"scopes have a state for {_text(self._old)} and for {_text(self._new)}: "
                    f"{', '.join(duplicates[:5])}; delete one of them from cloudkitty_storage_states"
                )
            self._rename(connection, self._new, self._old)

    def _read(self, names: Names) -> list[dict[str, Any]]:
        with self._transaction() as connection:
            return self._select(connection, names)

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            # The message may have the URL with the password.
            raise MigrateError(
                f"the request to [database] connection failed: {type(error).__name__}; check that the "
                "database is running, and that it is CloudKitty's"
            ) from error

    @staticmethod
    def _select(connection: sa.Connection, names: Names) -> list[dict[str, Any]]:
        rows = connection.execute(
            sa.select(_TABLE.c.id, _TABLE.c.identifier, _TABLE.c.last_processed_timestamp)
            .where(*_conditions(names))
            .order_by(_TABLE.c.id)
        )
        return [{"id": row[0], "identifier": row[1], "last_processed_timestamp": str(row[2])} for row in rows]

    @staticmethod
    def _rename(connection: sa.Connection, old: Names, new: Names) -> None:
        connection.execute(
            sa.update(_TABLE).where(*_conditions(old)).values(collector=new.collector, fetcher=new.fetcher)
        )


def _conditions(names: Names) -> list[sa.ColumnElement[bool]]:
    return [
        _TABLE.c.collector == names.collector,
        _TABLE.c.fetcher == names.fetcher,
        _TABLE.c.scope_key == names.scope_key,
    ]


def _text(names: Names) -> str:
    return f"{names.collector} and {names.fetcher}"
