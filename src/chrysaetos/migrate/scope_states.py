"""CloudKitty's scope states: until when each scope is rated, kept by the names of collector and fetcher.

Table ``cloudkitty_storage_states`` (`cloudkitty/storage_state/models.py`), unique in (identifier, scope_key,
collector, fetcher). Under other names CloudKitty finds no state, starts each scope at the beginning of the
month and rates again what is rated already. So the states get the new names with the configuration, and keep
their times; going back, those that came meanwhile get the old names as well.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from chrysaetos.migrate.cloudkitty import Names
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.findings import Finding, failed, good

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ScopeStates", "processors"]

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
_OLD = "prometheus"


def processors(proc: Path = Path("/proc")) -> list[int]:
    """The process ids of CloudKitty's processors on this machine."""
    found = []
    for path in proc.glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is somebody else's
        if any(word.rpartition(b"/")[2] == _PROGRAM.encode() for word in words[:2]):
            found.append(int(path.parent.name))
    return sorted(found)


class ScopeStates:
    """The states of a database, and the change of their names.

    Args:
        url: SQLAlchemy's, of ``[database] connection``.
        old: the names that they have.
        new: the names that they get.
        rows: the states at the time of the change, for the journal; None to read them.

    Attributes:
        data: what the journal keeps: both names and the states as they were.

    Raises:
        MigrateError: the database cannot be read.
    """

    def __init__(self, url: str, old: Names, new: Names, rows: list[dict[str, Any]] | None = None) -> None:
        try:
            self._engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        except (SQLAlchemyError, ImportError) as error:
            raise MigrateError(
                f"[database] connection: {type(error).__name__}; run this in CloudKitty's environment, which "
                "has the database's driver"
            ) from error
        self._old = old
        self._new = new
        self._rows = self._read(old) if rows is None else rows
        self.data: Mapping[str, Any] = {"old": asdict(old), "new": asdict(new), "rows": self._rows}

    @classmethod
    def from_data(cls, url: str, data: Mapping[str, Any]) -> ScopeStates:
        """The change that a journal tells of."""
        return cls(url, Names(**data["old"]), Names(**data["new"]), data["rows"])

    @property
    def step(self) -> str:
        """The change in words."""
        count = f"{len(self._rows)} scope states"
        return f"database: {count} of {_text(self._old)} become those of {_text(self._new)}"

    def busy(self) -> Iterator[Finding]:
        """Whether a processor runs here: it would go on with the old names, and make new states of them."""
        running = processors()
        if running:
            yield failed(
                "processor",
                f"{_PROGRAM} runs on this machine (process {', '.join(map(str, running))})",
                f"stop it on every machine until the move is done: systemctl stop {_PROGRAM}",
            )

    def check(self) -> Iterator[Finding]:
        """Whether the names can be changed: no state has the new ones."""
        there = self._read(self._new)
        if there:
            named = ", ".join(str(row["identifier"]) for row in there[:5])
            yield failed(
                "scope states",
                f"{len(there)} scopes have a state for {_text(self._new)} already: {named}",
                "they were rated under both names: see which time counts for each, and delete the other from "
                "cloudkitty_storage_states",
            )
        else:
            yield good("scope states", f"{len(self._rows)} states of {_text(self._old)} can be moved")

    def left_behind(self) -> list[str]:
        """The scopes that have a state for prometheus, and none for the new names."""
        named = sa.or_(_TABLE.c.collector == _OLD, _TABLE.c.fetcher == _OLD)
        with self._transaction() as connection:
            moved = {row["identifier"] for row in self._select(connection, self._new)}
            rows = connection.execute(
                sa.select(_TABLE.c.identifier).where(named, _TABLE.c.scope_key == self._new.scope_key)
            )
            return sorted({str(row[0]) for row in rows} - moved)

    def apply(self) -> None:
        """Give the states the new names, all or none.

        Raises:
            MigrateError: they are not what they were when this was planned.
        """
        with self._transaction() as connection:
            if self._select(connection, self._old) != self._rows:
                raise MigrateError(
                    f"the scope states changed in the meantime; stop {_PROGRAM} everywhere, and try again"
                )
            if self._select(connection, self._new):
                raise MigrateError(f"there are scope states for {_text(self._new)} already")
            self._rename(connection, self._old, self._new)

    def undo(self) -> None:
        """Give all states the old names, those that came after the change as well; their times stay.

        Raises:
            MigrateError: a scope has a state under both names.
        """
        moved = {row["id"] for row in self._rows}
        with self._transaction() as connection:
            old, new = self._select(connection, self._old), self._select(connection, self._new)
            if any(row["id"] in moved for row in old):
                return  # all or none were moved: none is now
            both = Counter(row["identifier"] for row in (*old, *new))
            twice = [str(identifier) for identifier, count in both.items() if count > 1]
            if twice:
                raise MigrateError(
                    f"scopes have a state for {_text(self._old)} and for {_text(self._new)}: "
                    f"{', '.join(twice[:5])}; delete one of the two of each from cloudkitty_storage_states"
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
            # Its text may hold the connection's URL.
            raise MigrateError(
                f"the database of [database] connection does not answer: {type(error).__name__}; see that it "
                "runs, and that it is CloudKitty's"
            ) from error

    @staticmethod
    def _select(connection: sa.Connection, names: Names) -> list[dict[str, Any]]:
        rows = connection.execute(
            sa.select(_TABLE.c.id, _TABLE.c.identifier, _TABLE.c.last_processed_timestamp)
            .where(*_having(names))
            .order_by(_TABLE.c.id)
        )
        return [{"id": row[0], "identifier": row[1], "last_processed_timestamp": str(row[2])} for row in rows]

    @staticmethod
    def _rename(connection: sa.Connection, old: Names, new: Names) -> None:
        connection.execute(
            sa.update(_TABLE).where(*_having(old)).values(collector=new.collector, fetcher=new.fetcher)
        )


def _having(names: Names) -> list[sa.ColumnElement[bool]]:
    return [
        _TABLE.c.collector == names.collector,
        _TABLE.c.fetcher == names.fetcher,
        _TABLE.c.scope_key == names.scope_key,
    ]


def _text(names: Names) -> str:
    return f"{names.collector} and {names.fetcher}"
