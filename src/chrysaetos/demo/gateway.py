"""The gateway as a server: its configuration file, and the process ``chrysaetos gateway``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from chrysaetos.demo.keystone import REGION, Options, render_config
from chrysaetos.demo.processes import LOOPBACK, Server
from chrysaetos.regular_file import replace_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Gateway"]


class Gateway(Server):
    """The gateway in front of a Prometheus.

    Args:
        directory: its directory, with the configuration ``aetos.conf``.
        keystone_url: URL of Keystone's v3 API.
        prometheus_url: root URL of Prometheus.
        user: the service user that validates tokens, in the project ``service``.
        password: the service user's password.
        port: the port to listen on; a free port if None.
        options: further options by section.
    """

    name: ClassVar[str] = "Gateway"
    ready_path: ClassVar[str] = "/-/ready"

    def __init__(
        self,
        directory: Path,
        *,
        keystone_url: str,
        prometheus_url: str,
        user: str,
        password: str,
        port: int | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(directory, port=port)
        self._keystone_url = keystone_url
        self._prometheus = urlsplit(prometheus_url)
        self._user = user
        self._password = password
        self._options = options

    @property
    def config_file(self) -> Path:
        """The configuration file, an Aetos configuration with a section ``[gateway]``."""
        return self.directory / "aetos.conf"

    @property
    def policy_file(self) -> Path:
        """The policy file, which the gateway reloads when it changes."""
        return self.directory / "policy.yaml"

    def prepare(self) -> None:
        """Write aetos.conf, and an empty policy file if there is none."""
        sections = {
            "gateway": {"host": LOOPBACK, "port": str(self.port)},
            "prometheus": {
                "host": self._prometheus.hostname or LOOPBACK,
                "port": str(self._prometheus.port),
                "project_label_name": "project",
            },
            "keystone_authtoken": {
                "www_authenticate_uri": self._keystone_url,
                "auth_url": self._keystone_url,
                "auth_type": "password",
                "username": self._user,
                "password": self._password,
                "user_domain_name": "Default",
                "project_name": "service",
                "project_domain_name": "Default",
                "interface": "public",
                "region_name": REGION,
                "service_token_roles_required": "true",
                "service_type": "metric-storage",
            },
            "oslo_policy": {"policy_file": str(self.policy_file)},
        }
        if not self.policy_file.exists():
            replace_file(self.policy_file, "# Rules that differ from the defaults.\n{}\n")
        replace_file(self.config_file, render_config(sections, self._options))

    def command(self) -> list[str]:
        """Return the command line of ``chrysaetos gateway``."""
        return [sys.executable, "-m", "chrysaetos", "gateway", "--config-file", str(self.config_file)]
