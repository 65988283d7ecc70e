"""Charge usage to credits, in an SQLite file that survives a change of the start date.

    charged   hours of each grant that were used
    accounts  hours used since the first grant, and those that no grant covered, by project and resource
    names     the last known names of projects, which a deleted project keeps
    facts     the time up to which usage has been charged

A window of usage is charged in one transaction with that time, before the ledger counts it. If the exporter
is killed in between, or the start date changes, the time here is later than the ledger's. Then the next
window ends at this time and is not charged again. If this file is restored from an older backup, or deleted,
the time here is earlier than the ledger's. Then the usage in between is charged again, and not counted. A
window also ends where a grant begins or expires, so the same grants are valid in all of it.
"""

from __future__ import annotations

import math
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from chrysaetos.usage.grants import FILE, CreditsError, open_owned, read_grants
from chrysaetos.usage.ledger import check_pages
from chrysaetos.usage.records import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from chrysaetos.usage.grants import Grant
    from chrysaetos.usage.tally import Key, Totals

__all__ = ["Account", "CreditLedger"]

_MIN_WINDOW = 60.0
"""Seconds between the ends of windows: grants that begin or expire in this time do so at its end.

Nova is queried for each window, and a script may give many grants.
"""
_DATABASE = "credits.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS charged (id TEXT PRIMARY KEY, hours REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
    project_id TEXT, resource TEXT, used REAL NOT NULL, uncovered REAL NOT NULL,
    PRIMARY KEY (project_id, resource)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (
    project_id TEXT PRIMARY KEY, name TEXT, domain_id TEXT, domain_name TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
"""


class Account(NamedTuple):
    """The credits of a project for a resource, in hours.

    Attributes:
        project: the project, with its last known names.
        resource: ``vcpu`` or ``mb``.
        granted: the grants that have not expired.
        used: usage since the first grant, also that of expired grants. It only rises.
        left: the rest of the grants that have not expired, minus usage that no grant covers.
        part: the name of a project inside the SimpleVM project, whose id it shares with others; else empty.
    """

    project: Project
    resource: str
    granted: float
    used: float
    left: float
    part: str = ""


class CreditLedger:
    """The credits of a site's projects.

    Args:
        directory: the directory of the ledger.

    Raises:
        CreditsError: a file cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._grants_file = directory / FILE
        self._path = directory / _DATABASE
        try:
            os.close(open_owned(self._path, 0o600))
            # As for the ledger, several threads use the file, but never at once.
            self._database = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=10
            )
            try:
                self._database.execute("PRAGMA synchronous = FULL")
                check_pages(self._database)
                self._database.executescript(_SCHEMA)
            except BaseException:
                self._database.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise CreditsError(f"{self._path} cannot be used: {error}") from error

    @property
    def charged_until(self) -> float:
        """The time up to which usage has been charged, in seconds since the epoch.

        At first, that is the time of the first grant, since usage before it is not charged; without grants,
        -inf.
        """
        with self._explain_errors():
            row = self._database.execute("SELECT value FROM facts WHERE name = 'charged'").fetchone()
        if row:
            return float(row[0])
        return min((grant.granted for grant in read_grants(self._grants_file)), default=-math.inf)

    def windows(self, since: float, until: float) -> list[float]:
        """Return the ends of the windows in which the usage between two times has to be counted.

        Args:
            since: the time up to which the ledger has counted, in seconds since the epoch.
            until: the current time, which is the last end.

        Raises:
            CreditsError: a file cannot be read.
        """
        charged = self.charged_until
        ends = [charged] if since < charged < until else []
        last = max(since, charged)
        grants = read_grants(self._grants_file)
        expiries = {grant.until for grant in grants if grant.until is not None}
        for moment in sorted({grant.granted for grant in grants} | expiries):
            if moment > last and (end := max(moment, last + _MIN_WINDOW)) < until:
                ends.append(end)
                last = end
        return [*ends, until]

    def charge(
        self,
        since: float,
        until: float,
        totals: Callable[[], Mapping[Key, Totals]],
        projects: Iterable[Project],
    ) -> None:
        """Charge the usage of a window in one transaction, unless it has been charged.

        A window is charged to the grants that are valid when it begins, first to the one that expires first.
        Usage that no grant covers is charged to the next grant.

        Args:
            since: the start of the window, in seconds since the epoch.
            until: its end, one of ``windows``.
            totals: returns the usage in the window, by project; called if there are grants.
            projects: all current projects.

        Raises:
            CreditsError: a file cannot be read or written.
        """
        if since < self.charged_until:
            return
        grants = self._grants(since)
        used: dict[tuple[str, str], float] = {}
        for key, total in totals().items() if grants else ():
            project_id = key.project_id if key.name is None else f"{key.project_id}/{key.name}"
            used[project_id, "vcpu"] = total.vcpu_hours
            used[project_id, "mb"] = total.mb_hours
        with self._explain_errors():
            charged = self._charged()
            self._database.execute("BEGIN IMMEDIATE")
            with self._database:
                for account, own in grants.items():
                    valid = [grant for grant in own if grant.is_valid(since)]
                    self._charge(account, used.get(account, 0.0), valid, charged)
                self._database.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?)", projects)
                self._database.execute("INSERT OR REPLACE INTO facts VALUES ('charged', ?)", (until,))

    def _charge(
        self, account: tuple[str, str], hours: float, grants: Iterable[Grant], charged: Mapping[str, float]
    ) -> None:
        row = self._database.execute(
            "SELECT used, uncovered FROM accounts WHERE project_id = ? AND resource = ?", account
        ).fetchone()
        used, uncovered = row or (0.0, 0.0)
        due = uncovered + hours
        # Corrections come first: what they take back is due from the other grants.
        for grant in sorted(
            grants, key=lambda grant: (grant.hours > 0, grant.until or math.inf, grant.granted)
        ):
            before = charged.get(grant.id, 0.0)
            taken = min(grant.hours - before, due)
            if taken:
                due -= taken
                self._database.execute(
                    "INSERT OR REPLACE INTO charged VALUES (?, ?)", (grant.id, before + taken)
                )
        self._database.execute(
            "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)", (*account, used + hours, due)
        )

    def _charged(self) -> dict[str, float]:
        with self._explain_errors():
            return dict(self._database.execute("SELECT id, hours FROM charged"))

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CreditsError(f"{self._path} cannot be used: {error}") from error

    def _grants(self, now: float) -> dict[tuple[str, str], list[Grant]]:
        """Return the grants by project and resource.

        Raises:
            CreditsError: the file is invalid, or lacks a grant that has been charged.
        """
        by_account: dict[tuple[str, str], list[Grant]] = {}
        grants = read_grants(self._grants_file)
        missing = self._charged().keys() - {grant.id for grant in grants}
        if missing:
            raise CreditsError(
                f"{self._grants_file} lacks the grant {min(missing)}, which was charged: restore it"
            )
        for grant in grants:
            if grant.granted <= now:
                by_account.setdefault((grant.project_id, grant.resource), []).append(grant)
        return by_account

    def accounts(self, now: float) -> list[Account]:
        """Return the accounts of all projects that have had a grant, also of deleted projects.

        Args:
            now: seconds since the epoch.

        Raises:
            CreditsError: a file cannot be read.
        """
        with self._explain_errors():
            charged = self._charged()
            projects = {row[0]: Project(*row) for row in self._database.execute("SELECT * FROM names")}
            states = {
                (project_id, resource): (used, uncovered)
                for project_id, resource, used, uncovered in self._database.execute("SELECT * FROM accounts")
            }
        accounts = []
        for (project_id, resource), grants in sorted(self._grants(now).items()):
            used, uncovered = states.get((project_id, resource), (0.0, 0.0))
            valid = [grant for grant in grants if grant.is_valid(now)]
            left = sum(grant.hours - charged.get(grant.id, 0.0) for grant in valid) - uncovered
            host, _, name = project_id.partition("/")
            project = projects.get(host, Project(host, host, "", ""))
            if name:
                project = project._replace(name=name)
            granted = sum(grant.hours for grant in valid)
            accounts.append(Account(project, resource, granted, used, left, name))
        return accounts

    def knows(self, project_id: str) -> bool:
        """Return whether a window with the project has been charged, or no window at all.

        Args:
            project_id: id of the project; ``ID/NAME`` for a project inside the SimpleVM project.
        """
        with self._explain_errors():
            ids = {row[0] for row in self._database.execute("SELECT project_id FROM names")}
        return not ids or project_id.partition("/")[0] in ids

    def close(self) -> None:
        """Close the file."""
        self._database.close()
