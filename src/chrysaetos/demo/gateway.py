"""The gateway as a server of its own: its configuration file, and `chrysaetos gateway`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from chrysaetos.demo.keystone import REGION, render_config
from chrysaetos.demo.processes import LOOPBACK, Server, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Gateway"]


class Gateway(Server):
    """The gateway in front of one Prometheus.

    Args:
        directory: its folder; the configuration is `aetos.conf` in it.
        keystone_url: Keystone's v3 API.
        prometheus_url: Prometheus' root.
        user: the service user that validates tokens, of the project `service`.
        password: that user's password.
        port: the port to listen on; a free one when None.
        options: further settings, section → option → value.
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
        options: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        super().__init__(directory, port=port)
        self._keystone_url = keystone_url
        self._prometheus = urlsplit(prometheus_url)
        self._user = user
        self._password = password
        self._options = options or {}

    @property
    def url(self) -> str:
        """What the catalog holds as the endpoint of the service type `metric-storage`."""
        return self.root_url

    @property
    def config_file(self) -> Path:
        """The configuration file, an Aetos configuration with a `[gateway]` section."""
        return self.directory / "aetos.conf"

    @property
    def policy_file(self) -> Path:
        """Rules that differ from the defaults; the gateway reads it again when it changes."""
        return self.directory / "policy.yaml"

    def prepare(self) -> None:
        """Write aetos.conf, and a policy file without rules if there is none."""
        sections: dict[str, dict[str, str]] = {
            "DEFAULT": {},
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
        for section, values in self._options.items():
            sections.setdefault(section, {}).update(values)
        if not self.policy_file.exists():
            write_private(self.policy_file, "# Rules that differ from the defaults.\n{}\n")
        write_private(self.config_file, render_config(sections))

    def command(self) -> list[str]:
        """This interpreter with `chrysaetos gateway`."""
        return [sys.executable, "-m", "chrysaetos", "gateway", "--config-file", str(self.config_file)]
