"""A real Keystone with SQLite and Fernet tokens, as a process that listens on the loopback address."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from chrysaetos.demo.processes import DemoError, Server, private_directory
from chrysaetos.regular_file import replace_file
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["REGION", "Keystone", "Options", "render_config"]

Options = Mapping[str, Mapping[str, str]]
"""The values of options by section."""

REGION = "RegionOne"
"""The region of every endpoint."""


def render_config(sections: Options, more: Options | None = None) -> str:
    """Return the text of an oslo.config file.

    Args:
        sections: the values of options by section.
        more: further values, which override those of ``sections``.
    """
    lines: list[str] = []
    more = more or {}
    for section in dict.fromkeys((*sections, *more)):
        options = {**sections.get(section, {}), **more.get(section, {})}
        lines.append(f"[{section}]")
        # In oslo.config a dollar sign starts a reference to another option.
        lines += [f"{option} = {value.replace('$', '$$')}" for option, value in options.items()]
        lines.append("")
    return "\n".join(lines)


class Keystone(Server):
    """Keystone with the user and project ``admin`` and the roles admin, manager, member, reader and service.

    A restart in the same directory keeps all data. If the port has changed, it updates the identity
    endpoints.

    Args:
        directory: its directory.
        port: the port to listen on; a free port if None.
        options: further options by section.

    Attributes:
        admin_password: the password of the user ``admin``.

    Raises:
        DemoError: Keystone is not installed.
    """

    name: ClassVar[str] = "Keystone"
    ready_path: ClassVar[str] = "/v3"

    def __init__(self, directory: Path, *, port: int | None = None, options: Options | None = None) -> None:
        for module in ("keystone", "waitress"):
            if importlib.util.find_spec(module) is None:
                raise DemoError(f"{module} is not installed: pip install 'chrysaetos[demo]'")
        super().__init__(directory, port=port)
        self._options = options
        password = self.directory / "admin.password"
        if not password.exists():
            replace_file(password, new_secret())
        self.admin_password = password.read_text()

    @property
    def url(self) -> str:
        """URL of the v3 API, which clients call the auth URL."""
        return f"{self.root_url}/v3"

    @property
    def _config_file(self) -> Path:
        return self.directory / "keystone.conf"

    def prepare(self) -> None:
        """Write keystone.conf."""
        keys = {name: str(private_directory(self.directory / name)) for name in ("fernet", "credential")}
        sections = {
            "DEFAULT": {"public_endpoint": self.root_url},
            "database": {
                "connection": f"sqlite:///{self.directory / 'keystone.db'}",
                # Do not wait for the disk: the demo's data need not survive a power failure.
                "sqlite_synchronous": "false",
            },
            "fernet_tokens": {"key_repository": keys["fernet"]},
            "fernet_receipts": {"key_repository": keys["fernet"]},
            "credential": {"key_repository": keys["credential"]},
            # The cache makes issuing tokens ten times faster. A single process needs no shared cache.
            "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
            # All passwords are long and random, so a fast hash is safe. bcrypt hashes at most 72 bytes;
            # without this limit, Keystone would log a warning for each password.
            "identity": {"password_hash_rounds": "4", "max_password_length": "72"},
            "oslo_policy": {"policy_file": str(self.directory / "policy.yaml")},
        }
        private_directory(self.directory / "keystone.conf.d")
        replace_file(self._config_file, render_config(sections, self._options))

    def command(self) -> list[str]:
        """Return the command line of ``keystone_server``."""
        module = "chrysaetos.demo.keystone_server"
        return [sys.executable, "-m", module, str(self._config_file), str(self.port)]

    def environment(self) -> dict[str, str]:
        """Return the variables for ``keystone-manage bootstrap``."""
        interfaces = ("PUBLIC", "INTERNAL", "ADMIN")
        return {
            "OS_BOOTSTRAP_USERNAME": "admin",
            "OS_BOOTSTRAP_PASSWORD": self.admin_password,
            "OS_BOOTSTRAP_PROJECT_NAME": "admin",
            "OS_BOOTSTRAP_ROLE_NAME": "admin",
            "OS_BOOTSTRAP_SERVICE_NAME": "keystone",
            "OS_BOOTSTRAP_REGION_ID": REGION,
            **{f"OS_BOOTSTRAP_{interface}_URL": self.url for interface in interfaces},
        }
