"""A Grafana server: its HTTP API for data sources, folders and dashboards.

Grafana documentation, "HTTP API": "Data source", "Folder" and "Dashboard".
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.grafana_sources import FOLDER
from chrysaetos.client.urls import is_server_url

__all__ = ["GrafanaServer"]

_FOLDER = {"uid": "openstack-metrics", "title": FOLDER}
_ASSIGNED = ("id", "version")
"""The fields of a dashboard that Grafana sets."""
_ADVICE = {
    401: "check the token",
    403: "the token's service account needs the role Admin, or permissions to write data sources, folders "
    "and dashboards",
    404: "check the URL",
}


class GrafanaServer:
    """A Grafana server.

    Args:
        url: its URL, with the path of its root if there is one.
        token: the token of a service account.
        timeout: seconds for a call.

    Raises:
        CommandFailed: the URL or the token is invalid.
    """

    def __init__(self, url: str, token: str, timeout: float) -> None:
        if not is_server_url(url) or urlsplit(url).username or urlsplit(url).query:
            raise CommandFailed(f"--grafana-url {url}: expected a URL such as https://grafana.example")
        if re.fullmatch(r"[!-~]+", token) is None:
            raise CommandFailed("the token of Grafana is not one word of printable ASCII characters")
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._token = token
        self._session = requests.Session()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def data_source(self, uid: str) -> dict[str, Any] | None:
        """Return a data source without its secrets, None if there is none.

        Raises:
            CommandFailed: Grafana rejects the request or cannot be reached.
        """
        return self._call("GET", f"/api/datasources/uid/{quote(uid, safe='')}", missing=404)

    def works(self, uid: str) -> bool:
        """Return whether the health check of a data source succeeds.

        Raises:
            CommandFailed: Grafana rejects the request or cannot be reached.
        """
        found = self._call("GET", f"/api/datasources/uid/{quote(uid, safe='')}/health", missing=400)
        return found is not None and found.get("status") == "OK"

    def write_data_source(self, settings: dict[str, Any], *, exists: bool) -> None:
        """Create or replace a data source.

        Args:
            settings: the data source with its secrets.
            exists: whether there is one with its uid.

        Raises:
            CommandFailed: Grafana rejects the request or cannot be reached.
        """
        if exists:
            self._call("PUT", f"/api/datasources/uid/{quote(settings['uid'], safe='')}", settings)
        else:
            self._call("POST", "/api/datasources", settings)

    def dashboard(self, uid: str) -> str | None:
        """Return a dashboard as JSON, None if there is none.

        Raises:
            CommandFailed: Grafana rejects the request or cannot be reached.
        """
        found = self._call("GET", f"/api/dashboards/uid/{quote(uid, safe='')}", missing=404)
        if found is None:
            return None
        content = {name: value for name, value in found["dashboard"].items() if name not in _ASSIGNED}
        return json.dumps(content, indent=2) + "\n"

    def write_dashboards(self, dashboards: list[str]) -> None:
        """Create or overwrite dashboards in the folder of this command, which is created if it is missing.

        Args:
            dashboards: the dashboards as JSON.

        Raises:
            CommandFailed: Grafana rejects a request or cannot be reached.
        """
        if self._call("GET", f"/api/folders/{_FOLDER['uid']}", missing=404) is None:
            self._call("POST", "/api/folders", _FOLDER)
        for text in dashboards:
            body = {
                "dashboard": json.loads(text),
                "folderUid": _FOLDER["uid"],
                "overwrite": True,
                "message": "chrysaetos grafana",
            }
            self._call("POST", "/api/dashboards/db", body)

    def _call(
        self, method: str, path: str, body: Any = None, *, missing: int | None = None
    ) -> dict[str, Any] | None:
        """Return the response, None if its status is ``missing``."""
        try:
            response = self._session.request(
                method,
                self._url + path,
                json=body,
                auth=self._authenticate,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            reason = type(error).__name__
            raise CommandFailed(f"Grafana at {self._url} cannot be reached: {reason}") from error
        if response.status_code == missing:
            return None
        try:
            content = response.json()
        except ValueError:
            content = None
        if response.status_code != requests.codes.ok:
            message = content.get("message") if isinstance(content, dict) else None
            advice = _ADVICE.get(response.status_code)
            detail = "".join(f": {text}" for text in (message, advice) if text)
            raise CommandFailed(f"Grafana: {method} {path}: status {response.status_code}{detail}")
        if not isinstance(content, dict):
            raise CommandFailed(f"Grafana: {method} {path}: the response is not Grafana's: check the URL")
        return content

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token; requests would replace a header with the credentials of a netrc file."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request
