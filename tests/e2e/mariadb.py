"""A MariaDB on the loopback address, with an empty database for one service."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from typing import ClassVar

import pytest
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK, Server

__all__ = ["MariaDb"]

_INSTALL = "mariadb-install-db"
# It refuses to run as root. The directory of root's tests is not open to other users.
_AS_NOBODY = [
    *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=TERM"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"),
]


class MariaDb(Server):
    """MariaDB, started by the user ``nobody`` in tests of root."""

    name: ClassVar[str] = "MariaDB"
    _password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """The URL of the database for SQLAlchemy, with user and password."""
        return f"mysql+pymysql://service:{self._password}@{LOOPBACK}:{self.port}/service"

    def prepare(self) -> None:
        """Create the system's tables; skip the test if the programs are missing."""
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
        program = shutil.which("mariadbd", path=path)
        if program is None or shutil.which(_INSTALL) is None or shutil.which("my_print_defaults") is None:
            pytest.skip("no MariaDB: apt-get install mariadb-server-core mariadb-client-core")
        data = self.directory / "data"
        data.mkdir()
        as_user = []
        if os.geteuid() == 0:
            as_user = _AS_NOBODY
            shutil.chown(data, "nobody", "nogroup")
        first = data / "first.sql"
        first.write_text(
            "CREATE DATABASE service;\n"
            f"CREATE USER service@'{LOOPBACK}' IDENTIFIED BY '{self._password}';\n"
            f"GRANT ALL ON service.* TO service@'{LOOPBACK}';\n"
        )
        options = ["--no-defaults", f"--datadir={data}"]
        made = run([*as_user, _INSTALL, *options, "--skip-test-db"])
        assert made.status == 0, made.err
        self._command = [*as_user, program, *options, f"--init-file={first}", "--skip-name-resolve"]
        self._command += [f"--bind-address={LOOPBACK}", f"--port={self.port}", "--socket=socket"]

    def command(self) -> list[str]:
        """Return the command line."""
        return self._command

    def _ready(self) -> bool:
        """Return whether it greets a client."""
        self.check()
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                return bool(connection.recv(1))
        except OSError:
            return False
