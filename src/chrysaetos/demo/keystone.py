"""A real Keystone: SQLite, Fernet keys, one process on the loopback address."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, ClassVar

from chrysaetos.demo.processes import DemoError, Server, private_directory, write_private
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["REGION", "Keystone", "render_config"]

REGION = "RegionOne"
"""The region of every endpoint."""


def render_config(sections: Mapping[str, Mapping[str, str]]) -> str:
    """The text of an oslo.config file.

    Args:
        sections: section name → option → value.
    """
    lines: list[str] = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        # In oslo.config a dollar sign begins the name of another option.
        lines += [f"{option} = {value.replace('$', '$$')}" for option, value in options.items()]
        lines.append("")
    return "\n".join(lines)


class Keystone(Server):
    """Keystone with the user and project `admin` and the roles admin, manager, member, reader, service.

    A second start on the same directory finds what the first left there; where the port has changed,
    the identity endpoints are brought up to date.

    Args:
        directory: its folder.
        port: the port to listen on; a free one when None.
        options: further settings, section → option → value.

    Attributes:
        admin_password: the password of the user `admin`.

    Raises:
        DemoError: Keystone is not installed.
    """

    name: ClassVar[str] = "Keystone"
    ready_path: ClassVar[str] = "/v3"

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        options: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        for module in ("keystone", "waitress"):
            if importlib.util.find_spec(module) is None:
                raise DemoError(f"{module} is not installed: pip install 'chrysaetos[demo]'")
        super().__init__(directory, port=port)
        self._options = options or {}
        password = self.directory / "admin.password"
        if not password.exists():
            write_private(password, new_secret())
        self.admin_password = password.read_text()

    @property
    def url(self) -> str:
        """The v3 API, which is also what clients call the auth URL."""
        return f"{self.root_url}/v3"

    @property
    def _config_file(self) -> Path:
        return self.directory / "keystone.conf"

    def prepare(self) -> None:
        """Write keystone.conf."""
        keys = {name: str(private_directory(self.directory / name)) for name in ("fernet", "credential")}
        sections: dict[str, dict[str, str]] = {
            "DEFAULT": {"public_endpoint": self.root_url},
            "database": {
                "connection": f"sqlite:///{self.directory / 'keystone.db'}",
                # Nothing here has to survive a power cut, and each write would wait for the disk.
                "sqlite_synchronous": "false",
            },
            "fernet_tokens": {"key_repository": keys["fernet"]},
            "fernet_receipts": {"key_repository": keys["fernet"]},
            "credential": {"key_repository": keys["credential"]},
            # Every password here is random and long: slow hashing would only slow the demo.
            # A tenth of the time for each token; one process needs no cache that others see.
            "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
            # 72 bytes is what bcrypt can hash; told so, Keystone does not warn at every password.
            "identity": {"password_hash_rounds": "4", "max_password_length": "72"},
            "oslo_policy": {"policy_file": str(self.directory / "policy.yaml")},
        }
        for section, values in self._options.items():
            sections.setdefault(section, {}).update(values)
        private_directory(self.directory / "keystone.conf.d")
        write_private(self._config_file, render_config(sections))

    def command(self) -> list[str]:
        """This interpreter with `keystone_server`."""
        module = "chrysaetos.demo.keystone_server"
        return [sys.executable, "-m", module, str(self._config_file), str(self.port)]

    def environment(self) -> dict[str, str]:
        """What `keystone-manage bootstrap` reads."""
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
