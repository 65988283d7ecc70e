"""Grafana's data source for a gateway, and the provisioning files of Grafana.

Format: Grafana documentation, "Provision Grafana". Grafana replaces ``$NAME`` in these files by variables of
its environment, so a dollar sign is written twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from chrysaetos.cli.application_credentials import Credential
from chrysaetos.cli.errors import CommandFailed

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FOLDER", "DataSource", "provider_file", "read_credential", "source_file"]

FOLDER = "OpenStack metrics"
"""The title of the folder of the dashboards."""
_SCRAPE_INTERVAL = "60s"
"""Grafana's shortest step, and a quarter of its shortest range of a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A data source.

    Attributes:
        uid: Grafana's id, at most 40 characters.
        name: the name to show.
        url: the gateway's URL.
        ca: the CA certificates of the gateway in PEM format, None for those of the system.
        verify: whether to verify the gateway's certificate.
    """

    uid: str
    name: str
    url: str
    ca: str | None = None
    verify: bool = True

    def settings(self, credential: Credential) -> dict[str, Any]:
        """Return the data source as in Grafana's API and provisioning files."""
        options: dict[str, Any] = {"httpMethod": "POST", "timeInterval": _SCRAPE_INTERVAL}
        secret = {"basicAuthPassword": credential.secret}
        if self.ca is not None:
            options["tlsAuthWithCACert"] = True
            secret["tlsCACert"] = self.ca
        if not self.verify:
            options["tlsSkipVerify"] = True
        return {
            "name": self.name,
            "uid": self.uid,
            "type": "prometheus",
            "access": "proxy",
            "url": self.url,
            "basicAuth": True,
            "basicAuthUser": credential.id,
            "jsonData": options,
            "secureJsonData": secret,
        }


def source_file(source: DataSource, credential: Credential) -> str:
    """Return the provisioning file of a data source. It contains the secret."""
    return _render({"apiVersion": 1, "datasources": [source.settings(credential)]})


def provider_file(dashboards: str) -> str:
    """Return the provisioning file for a folder with dashboards.

    Args:
        dashboards: the path where Grafana finds the dashboards.
    """
    provider = {
        "name": "chrysaetos",
        "folder": FOLDER,
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": dashboards},
    }
    return _render({"apiVersion": 1, "providers": [provider]})


def read_credential(text: str, path: Path) -> Credential:
    """Return the application credential in the provisioning file of a data source.

    Args:
        text: the file's content.
        path: the file's path, for the error.

    Raises:
        CommandFailed: the file is not one of ``source_file``.
    """
    try:
        (source,) = yaml.safe_load(text)["datasources"]
        user, password = source["basicAuthUser"], source["secureJsonData"]["basicAuthPassword"]
        return Credential(user.replace("$$", "$"), password.replace("$$", "$"))
    except (yaml.YAMLError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise CommandFailed(f"{path} is not a data source of this command: remove it") from error


def _render(content: Any) -> str:
    text: str = yaml.safe_dump(_escaped(content), sort_keys=False, allow_unicode=True)
    return text


def _escaped(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _escaped(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_escaped(value) for value in content]
    return content.replace("$", "$$") if isinstance(content, str) else content
