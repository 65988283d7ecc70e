"""A configuration of CloudKitty, and its table of scope states in SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CONF", "States"]

# storage_state/models.py of CloudKitty 24 and 25, as its migrations make it.
_DDL = """
CREATE TABLE cloudkitty_storage_states (
    id INTEGER NOT NULL PRIMARY KEY,
    identifier VARCHAR(256) NOT NULL,
    scope_key VARCHAR(40),
    fetcher VARCHAR(40),
    collector VARCHAR(40),
    last_processed_timestamp DATETIME NOT NULL,
    scope_activation_toggle_date DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL,
    active BOOLEAN NOT NULL,
    CONSTRAINT uq_cloudkitty_storage_states_identifier UNIQUE (identifier, scope_key, collector, fetcher)
)
"""

CONF = """\
[DEFAULT]
debug = false

[database]
connection = sqlite:///{database}

[collect]
collector = prometheus
period = 3600

[fetcher]
backend = prometheus

# where it is
[collector_prometheus]
prometheus_url = http://prometheus.example:9090/api/v1
prometheus_user = rater
prometheus_password = geheim
timeout = 30

[fetcher_prometheus]
metric = ceilometer_cpu
scope_attribute = project
filters = job:vm, zone:a
prometheus_url = http://prometheus.example:9090/api/v1

[ks_auth]
auth_type = password
"""


class States:
    """The table, in a new database.

    Args:
        path: the database's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(_DDL)

    def add(
        self,
        identifier: str,
        collector: str | None = "prometheus",
        fetcher: str | None = "prometheus",
        *,
        until: str = "2026-05-04 03:00:00.000000",
        scope_key: str | None = "project_id",
    ) -> None:
        """A scope that is rated until a time."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(
                "INSERT INTO cloudkitty_storage_states"
                " (identifier, scope_key, fetcher, collector, last_processed_timestamp, active)"
                " VALUES (?, ?, ?, ?, ?, 1)",
                (identifier, scope_key, fetcher, collector, until),
            )

    def read(self) -> list[tuple[str, str, str, str, str]]:
        """Each state: identifier, scope key, collector, fetcher, time."""
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(
                "SELECT identifier, scope_key, collector, fetcher, last_processed_timestamp"
                " FROM cloudkitty_storage_states ORDER BY id"
            ).fetchall()

    def execute(self, statement: str) -> None:
        """Run SQL."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement)
