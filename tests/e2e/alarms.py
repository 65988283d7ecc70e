"""Aodh in its own virtual environment: API, evaluator and notifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import requests
from tests.e2e.stack import password_options
from tests.support.commands import run
from tests.support.releases import AODH

from chrysaetos.demo.keystone import REGION, render_config
from chrysaetos.demo.processes import Process, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chrysaetos.demo.identities import Account

__all__ = ["INTERVAL", "Aodh"]

INTERVAL = 2
"""Seconds from one evaluation of an alarm to the next."""

_PROGRAMS = Path(__file__).parents[2] / ".venvs" / f"aodh-{AODH[0]}" / "bin"
_INSIDE = Path(__file__).with_name("alarms_inside.py")


class Aodh(Server):
    """The API of Aodh on SQLite, and its services. A context manager that starts all of them.

    Args:
        directory: its folder.
        auth_url: Keystone's v3 API.
        account: the account whose credentials the services use.
        options: additional settings, by section and option.
    """

    name: ClassVar[str] = "Aodh"
    ready_path: ClassVar[str] = "/"

    def __init__(
        self, directory: Path, *, auth_url: str, account: Account, options: Mapping[str, Mapping[str, str]]
    ) -> None:
        super().__init__(directory)
        assert (_PROGRAMS / "aodh-evaluator").exists(), f"{_PROGRAMS}: make aodh"
        self._config = self.directory / "aodh.conf"
        auth = {**password_options(account, auth_url), "region_name": REGION}
        self._sections: dict[str, Mapping[str, str]] = {
            "DEFAULT": {"transport_url": "fake:/"},
            "database": {"connection": f"sqlite:///{self.directory / 'aodh.db'}"},
            "keystone_authtoken": {**auth, "www_authenticate_uri": auth_url},
            "service_credentials": auth,
            "evaluator": {"evaluation_interval": str(INTERVAL)},
            **options,
        }
        self._services: Process | None = None

    @property
    def services_log(self) -> Path:
        """The log of evaluator and notifier."""
        return self.directory / "services.log"

    def prepare(self) -> None:
        """Write configuration and database."""
        self._config.write_text(render_config(self._sections))
        made = run([_PROGRAMS / "aodh-dbsync", "--config-file", self._config])
        assert made.status == 0, made.err[-3000:]

    def environment(self) -> dict[str, str]:
        """Return variables for the API: its authentication looks for ``aodh.conf`` in the home directory."""
        return {"HOME": str(self.directory)}

    def command(self) -> list[str]:
        """Return the command line of the API."""
        return self._inside("api", str(self.port))

    def start_services(self) -> None:
        """Start evaluator and notifier."""
        self._services = Process("Aodh's services", self._inside("services"), log=self.services_log)

    def stop(self) -> None:
        """Stop everything."""
        if self._services is not None:
            self._services.stop()
        super().stop()

    def __enter__(self) -> Self:
        super().__enter__()
        self.start_services()
        return self

    def call(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Call the API.

        Returns:
            The response's JSON; None if it has no body.
        """
        response = requests.request(
            method, f"{self.root_url}/v2{path}", json=body, headers={"X-Auth-Token": token}, timeout=20
        )
        assert response.ok, f"{response.status_code} {response.text}"
        return response.json() if response.content else None

    def _inside(self, *arguments: str) -> list[str]:
        python = str(_PROGRAMS / "python")
        return [python, "-W", "ignore", str(_INSIDE), *arguments, "--config-file", str(self._config)]
