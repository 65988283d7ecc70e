"""CloudKitty in its own virtual environment, with a configuration and a database."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.warm import shared_python

from chrysaetos.demo.keystone import REGION, render_config
from chrysaetos.demo.processes import Process, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.fakes.relay import Relay

    from chrysaetos.demo.identities import Account

__all__ = ["CloudKitty", "Frame", "asked", "credentials", "periods"]

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).with_name("rating_inside.py")
_LIBRARIES = (
    *("cloudkitty.config", "cloudkitty.service"),
    *("alembic.command", "cotyledon", "keystoneauth1.loading", "keystoneclient.v3.client"),
    *("oslo_db.sqlalchemy.enginefacade", "oslo_policy.policy", "pecan.rest", "requests", "sqlalchemy.orm"),
    *("stevedore", "tooz.coordination", "voluptuous", "werkzeug", "wsmeext.pecan", "yaml"),
)
"""CloudKitty's other modules read options as they are imported, so not before there is a configuration."""
_EMPTY: dict[int, bytes] = {}
"""SQLite's database with the tables of a release."""
_SELECT = """
import json, sys, sqlalchemy
with sqlalchemy.create_engine(sys.argv[1]).connect() as connection:
    rows = connection.execute(sqlalchemy.text(sys.argv[2]), json.loads(sys.argv[3]))
    print(json.dumps([list(row) for row in rows], default=str))
"""
_QUERY = re.compile(rb"(?:GET|POST) \S*/api/v1/query[ ?]")


def asked(relay: Relay) -> int:
    """Return how many queries went through a relay."""
    return len(_QUERY.findall(relay.sent))


def credentials(account: Account, keystone_url: str) -> dict[str, str]:
    """Return keystoneauth's options for an account."""
    return {
        "auth_type": "v3password",
        "auth_url": keystone_url,
        "user_id": account.user_id,
        "password": account.password,
        "project_id": str(account.project_id),
        "region_name": REGION,
    }


@dataclass(frozen=True)
class Frame:
    """A data point as stored in the database."""

    scope: str
    name: str
    begin: datetime
    quantity: Decimal
    rate: Decimal
    description: Mapping[str, str]


@dataclass
class CloudKitty:
    """An installation of CloudKitty.

    Attributes:
        directory: the directory of its files.
        release: the major release.
        metrics: the content of metrics.yml, below `metrics`.
        costs: the cost of a unit, by the name of the metric.
        sections: additional configuration: values by section and option.
        collector, fetcher: the names of the collector and the fetcher.
        scope_key: the label with the scope.
        period, wait_periods: the options of ``[collect]``.
        server: the URL of an empty database of a server; None for a file of SQLite.
        seconds: the duration of the last cycle.
        collecting: how long CloudKitty waited for its collector in the last cycle.
        log: the log of the last command.
    """

    directory: Path
    release: int
    metrics: Mapping[str, Any]
    costs: Mapping[str, str]
    sections: Mapping[str, Mapping[str, str]]
    collector: str = "aetos"
    fetcher: str = "aetos"
    scope_key: str = "project"
    period: int = 3600
    wait_periods: int = 2
    server: str | None = None
    seconds: float = 0.0
    collecting: float = 0.0
    log: str = ""

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._bin = ROOT / ".venvs" / f"cloudkitty-{self.release}" / "bin"
        assert self._bin.is_dir(), "CloudKitty is not installed: make cloudkitty"
        self._python = shared_python([self._bin / "python", "-W", "ignore"], _LIBRARIES)
        self.database = self.directory / "cloudkitty.db"

    @property
    def _config(self) -> Path:
        return self.directory / "cloudkitty.conf"

    def prepare(self, done: Mapping[str, datetime]) -> None:
        """Write configuration and database.

        Args:
            done: the start of the last rated period, by scope.
        """
        metrics = self.directory / "metrics.yml"
        metrics.write_text(json.dumps({"metrics": self.metrics}))  # JSON is YAML
        locks = self.directory / "locks"
        locks.mkdir(exist_ok=True)
        sections = {
            "DEFAULT": {"transport_url": "fake:/", "host": "here"},
            "database": {"connection": self.server or f"sqlite:///{self.database}"},
            "storage": {"version": "1", "backend": "sqlalchemy"},
            "orchestrator": {
                "coordination_url": f"file://{locks}",
                "max_workers": "1",
                "max_workers_reprocessing": "0",
            },
            "fetcher": {"backend": self.fetcher},
            "collect": {
                "collector": self.collector,
                "period": str(self.period),
                "wait_periods": str(self.wait_periods),
                "scope_key": self.scope_key,
                "metrics_conf": str(metrics),
            },
        }
        self._config.write_text(render_config(sections, self.sections))
        if self.server:
            self._inside("tables", "")
        elif self.release in _EMPTY:
            self.database.write_bytes(_EMPTY[self.release])
        else:
            self._inside("tables", str(self.database))
            _EMPTY[self.release] = self.database.read_bytes()
        plan = {
            "costs": self.costs,
            "done": {scope: begin.isoformat() for scope, begin in done.items()},
            "fetcher": self.fetcher,
            "collector": self.collector,
        }
        self._inside("prepare", json.dumps(plan))

    def cycle(self) -> list[str]:
        """Run one cycle of the processor.

        Returns:
            The scopes that the fetcher found.

        Raises:
            CalledProcessError: the processor failed; ``output`` is its log.
        """
        file = self.directory / "report.json"
        self._inside("cycle", str(file))
        report = json.loads(file.read_text())
        self.seconds, self.collecting = report["seconds"], report["collecting"]
        scopes: list[str] = report["scopes"]
        return scopes

    def processor(self) -> Process:
        """Start the real command."""
        command = [str(self._bin / "cloudkitty-processor"), "--config-file", str(self._config)]
        return Process("cloudkitty-processor", command, log=self.directory / "processor.log")

    def _inside(self, *words: str) -> None:
        command: list[str | Path] = [INSIDE, *words, "--config-file", self._config]
        done = self._python.run(command, env={"PATH": "/usr/bin:/bin", "NO_PROXY": "*"}, cwd=ROOT)
        self.log = done.printed + done.err
        if done.status:
            raise subprocess.CalledProcessError(done.status, list(map(str, command)), self.log)

    def _select(self, query: str, **values: str) -> list[Any]:
        """Return rows of the database; with a server, times and numbers are texts."""
        if self.server is None:
            with closing(sqlite3.connect(self.database, timeout=30)) as connection:
                return connection.execute(query, values).fetchall()
        words = ["-c", _SELECT, self.server, query, json.dumps(values)]
        rows: list[Any] = self._python.run(words, env={}, cwd=ROOT).json
        return rows

    def frames(self) -> list[Frame]:
        """Return all data points, except CloudKitty's marks for periods without any."""
        rows = self._select(
            "select f.tenant_id, f.res_type, f.begin, f.qty, f.rate, f.desc from rated_data_frames f "
            "where f.res_type != '_NO_DATA_' order by f.id"
        )
        return [
            Frame(
                scope,
                name,
                datetime.fromisoformat(begin).replace(tzinfo=UTC),
                Decimal(str(quantity)),
                Decimal(str(rate)),
                json.loads(description),
            )
            for scope, name, begin, quantity, rate, description in rows
        ]

    def totals(self) -> dict[str, Decimal]:
        """Return the total cost of each scope."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for frame in self.frames():
            sums[frame.scope] += frame.rate
        return dict(sums)

    def done(self) -> dict[str, datetime]:
        """Return the start of the last processed period of each scope."""
        rows = self._select(
            "select identifier, last_processed_timestamp from cloudkitty_storage_states "
            "where collector = :collector and fetcher = :fetcher",
            collector=self.collector,
            fetcher=self.fetcher,
        )
        return {scope: datetime.fromisoformat(begin).replace(tzinfo=UTC) for scope, begin in rows}

    def wait_until(self, done: Mapping[str, datetime], process: Process, timeout: float = 240) -> None:
        """Wait until the processor has reached this period for all these scopes."""

        def reached() -> bool:
            process.check()
            now = self.done()
            return all(now.get(scope) == begin for scope, begin in done.items())

        assert wait_for(reached, timeout=timeout), f"{self.done()}\n{process.tail()}"


def periods(frames: Iterable[Frame]) -> dict[tuple[str, str], list[datetime]]:
    """Return the rated periods by scope and name, sorted; a duplicate was rated twice."""
    found: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for frame in frames:
        found[frame.scope, frame.name].append(frame.begin)
    return {key: sorted(begins) for key, begins in found.items()}
