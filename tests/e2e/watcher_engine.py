"""The real Watcher decision engine, and Watcher's own emulators of Nova and Placement."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.e2e.stack import password_options
from tests.support.warm import shared_python

from chrysaetos.demo.keystone import render_config
from chrysaetos.demo.processes import Process, Server, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.commands import Output
    from tests.support.warm import WarmPython

    from chrysaetos.demo.identities import Account

__all__ = ["AuditError", "Emulator", "Engine", "environment_of", "warm_python"]

_ROOT = Path(__file__).parents[2]

_QUIET = {
    "PYTHONWARNINGS": "ignore",
    # Watcher iterates over sets of ids: with this, both engines use the same order.
    "PYTHONHASHSEED": "0",
    "NO_PROXY": "*",
    "no_proxy": "*",
}


def environment_of(release: str) -> Path:
    """Return the directory with the programs of a release; ``make`` creates the virtual environment."""
    programs = _ROOT / ".venvs" / f"watcher-{release}" / "bin"
    assert (programs / "watcher-decision-engine").exists(), f"{programs}: make .venvs/watcher-{release}/made"
    return programs


def warm_python(release: str, *libraries: str) -> WarmPython:
    """Return an interpreter of a release that has imported modules of the tests, which import Watcher."""
    python = environment_of(release) / "python"
    return shared_python([python], libraries, {**os.environ, **_QUIET, "PYTHONPATH": str(_ROOT)})


def _arguments(config: Path) -> list[str]:
    return ["--config-file", str(config)]


def _run(release: str, program: Path, *arguments: str) -> Output:
    """Run a program of a release, in a fork of an interpreter that has imported Watcher."""
    warm = warm_python(release, "tests.watcher.audit")
    return warm.run([program, *arguments], env={**os.environ, **_QUIET}, cwd=_ROOT)


@cache
def _empty_database(release: str) -> bytes:
    """Return an SQLite database of a release with its tables."""
    with TemporaryDirectory() as folder:
        database, config = Path(folder, "watcher.db"), Path(folder, "watcher.conf")
        config.write_text(render_config({"database": {"connection": f"sqlite:///{database}"}}))
        program = environment_of(release) / "watcher-db-manage"
        made = _run(release, program, *_arguments(config), "create_schema")
        assert made.status == 0, made.err[-3000:]
        return database.read_bytes()


class Emulator(Server):
    """Nova or Placement, as in Watcher's own functional tests (python-watcher 17).

    Args:
        directory: its folder.
        kind: `nova` or `placement`.
        topology: the cloud, as a JSON value.
    """

    name: ClassVar[str] = "Emulator"
    ready_path: ClassVar[str] = "/"

    def __init__(self, directory: Path, kind: str, topology: Mapping[str, Any]) -> None:
        super().__init__(directory)
        self._kind = kind
        self._topology = topology

    @property
    def _file(self) -> Path:
        return self.directory / "topology.json"

    def prepare(self) -> None:
        """Write the topology."""
        self._file.write_text(json.dumps(self._topology))

    def command(self) -> list[str]:
        """Return the command line."""
        module = f"watcher.tests.local_fixtures.{self._kind}_api_emulator"
        python = str(environment_of("17") / "python")
        return [python, "-W", "ignore", "-m", module, "--model", str(self._file), "--port", str(self.port)]


class AuditError(Exception):
    """An audit cannot be created or followed, as while the engine fills its database. It says why."""


class Engine:
    """`watcher-decision-engine` on SQLite, without a message broker. A context manager.

    Args:
        directory: its folder.
        release: the major release of Watcher.
        auth_url: Keystone's v3 API.
        account: the account whose credentials it uses.
        options: additional settings, by section and option.
    """

    def __init__(
        self,
        directory: Path,
        release: str,
        *,
        auth_url: str,
        account: Account,
        options: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._release = release
        self._programs = environment_of(release)
        self._config = directory / "watcher.conf"
        self._database = directory / "watcher.db"
        self.log = directory / "engine.log"
        auth = password_options(account, auth_url)
        sections: dict[str, Mapping[str, str]] = {
            "DEFAULT": {"transport_url": "fake:/", "state_path": str(directory)},
            "database": {"connection": f"sqlite:///{self._database}?timeout=60"},
            "watcher_clients_auth": auth,
            "nova": auth,
            "watcher_decision_engine": {"continuous_audit_interval": "1"},
            "collector": {"collector_plugins": "compute"},
            "oslo_concurrency": {"lock_path": str(directory)},
            **options,
        }
        directory.mkdir(parents=True, exist_ok=True)
        self._config.write_text(render_config(sections))
        self._process: Process | None = None

    def start(self) -> Process:
        """Start the engine on an empty database; it may exit by itself."""
        self._database.write_bytes(_empty_database(self._release))
        command = [str(self._programs / "watcher-decision-engine"), *_arguments(self._config)]
        self._process = Process("watcher-decision-engine", command, log=self.log, environment=_QUIET)
        return self._process

    def stop(self) -> None:
        """Stop the engine."""
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def says(self, text: str, timeout: float = 60) -> bool:
        """Wait for a text in the log, and return whether it appears."""
        return wait_for(lambda: text in self.log.read_text(), timeout=timeout)

    def audit(self, strategy: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run an audit and return its ``state``, the number of ``plans``, and the ``actions``.

        Raises:
            AuditError: it cannot be created or followed.
        """
        assert self._process is not None
        self._process.check()
        script = _ROOT / "tests" / "watcher" / "audit.py"
        done = _run(self._release, script, strategy, json.dumps(parameters), *_arguments(self._config))
        if done.status:
            raise AuditError(f"{done.status} {done.printed}{done.err}"[-3000:])
        found: dict[str, Any] = json.loads(done.printed.splitlines()[-1])
        return found
