"""A CloudKitty in a virtual environment of its own, with its configuration and its database."""

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

from chrysaetos.demo.keystone import REGION, render_config
from chrysaetos.demo.processes import Process, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.fakes.relay import Relay

    from chrysaetos.demo.identities import Account

__all__ = ["CloudKitty", "Frame", "asked", "credentials", "periods"]

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).with_name("rating_inside.py")
_QUERY = re.compile(rb"(?:GET|POST) \S*/api/v1/query[ ?]")


def asked(relay: Relay) -> int:
    """How many queries went through a relay."""
    return len(_QUERY.findall(relay.sent))


def credentials(account: Account, keystone_url: str) -> dict[str, str]:
    """keystoneauth's options for an account."""
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
    """A data point as the database has it."""

    scope: str
    name: str
    begin: datetime
    quantity: Decimal
    rate: Decimal
    description: Mapping[str, str]


@dataclass
class CloudKitty:
    """One installation.

    Attributes:
        directory: where its files are.
        release: 25 or 24.
        metrics: the content of metrics.yml, below `metrics`.
        costs: what is rated → cost of a unit.
        sections: configuration beside what all have, section → option → value.
        collector, fetcher: their names.
        scope_key: the label that holds the scope.
        period, wait_periods: of `[collect]`.
        seconds: how long the last cycle took.
        collecting: how much of that CloudKitty waited for its collector.
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
    seconds: float = 0.0
    collecting: float = 0.0

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._bin = ROOT / ".venvs" / f"cloudkitty-{self.release}" / "bin"
        assert self._bin.is_dir(), "CloudKitty is not installed: make cloudkitty"
        self.database = self.directory / "cloudkitty.db"

    @property
    def _config(self) -> Path:
        return self.directory / "cloudkitty.conf"

    def prepare(self, done: Mapping[str, datetime]) -> None:
        """Write configuration and database.

        Args:
            done: scope → when the last period that was rated began.
        """
        metrics = self.directory / "metrics.yml"
        metrics.write_text(json.dumps({"metrics": self.metrics}))  # JSON is YAML
        locks = self.directory / "locks"
        locks.mkdir(exist_ok=True)
        sections: dict[str, dict[str, str]] = {
            "DEFAULT": {"transport_url": "fake:/", "host": "here"},
            "database": {"connection": f"sqlite:///{self.database}"},
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
        for name, options in self.sections.items():
            sections.setdefault(name, {}).update(options)
        self._config.write_text(render_config(sections))
        plan = {
            "database": str(self.database),
            "costs": self.costs,
            "done": {scope: begin.isoformat() for scope, begin in done.items()},
            "fetcher": self.fetcher,
            "collector": self.collector,
        }
        self._inside("prepare", json.dumps(plan))

    def cycle(self) -> list[str]:
        """One cycle of the processor.

        Returns:
            The scopes that the fetcher has found.

        Raises:
            CalledProcessError: the processor ended with an error; `output` holds its log.
        """
        file = self.directory / "report.json"
        self._inside("cycle", str(file))
        report = json.loads(file.read_text())
        self.seconds, self.collecting = report["seconds"], report["collecting"]
        scopes: list[str] = report["scopes"]
        return scopes

    def processor(self) -> Process:
        """The real command, started."""
        command = [str(self._bin / "cloudkitty-processor"), "--config-file", str(self._config)]
        return Process("cloudkitty-processor", command, log=self.directory / "processor.log")

    def _inside(self, *words: str) -> None:
        log = self.directory / "inside.log"
        command = [str(self._bin / "python"), "-W", "ignore", str(INSIDE), *words]
        with log.open("w") as output:
            done = subprocess.run(
                [*command, "--config-file", str(self._config)],
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=240,
                env={"PATH": "/usr/bin:/bin", "NO_PROXY": "*"},
                check=False,
            )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, log.read_text())

    @property
    def log(self) -> str:
        """What the last command has logged."""
        return (self.directory / "inside.log").read_text()

    def frames(self) -> list[Frame]:
        """All data points, but CloudKitty's own marks for periods without any."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            rows = connection.execute(
                "select tenant_id, res_type, begin, qty, rate, desc from rated_data_frames "
                "where res_type != '_NO_DATA_' order by id"
            ).fetchall()
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
        """Scope → what it costs, all periods together."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for frame in self.frames():
            sums[frame.scope] += frame.rate
        return dict(sums)

    def done(self) -> dict[str, datetime]:
        """Scope → when the last period that was processed began."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            rows = connection.execute(
                "select identifier, last_processed_timestamp from cloudkitty_storage_states "
                "where collector = ? and fetcher = ?",
                (self.collector, self.fetcher),
            ).fetchall()
        return {scope: datetime.fromisoformat(begin).replace(tzinfo=UTC) for scope, begin in rows}

    def wait_until(self, done: Mapping[str, datetime], process: Process, timeout: float = 120) -> None:
        """Wait until the processor has got so far with all of these scopes."""

        def reached() -> bool:
            process.check()
            now = self.done()
            return all(now.get(scope) == begin for scope, begin in done.items())

        assert wait_for(reached, timeout=timeout), f"{self.done()}\n{process.tail()}"


def periods(frames: Iterable[Frame]) -> dict[tuple[str, str], list[datetime]]:
    """Scope and name → the periods that were rated, sorted; one that is there twice was rated twice."""
    found: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for frame in frames:
        found[frame.scope, frame.name].append(frame.begin)
    return {key: sorted(begins) for key, begins in found.items()}
