"""A Grafana with the HTTP API that ``chrysaetos grafana`` uses, as Grafana documents it ("HTTP API").

It checks what Grafana checks: the token (401), its role (403), that names and uids of data sources are unique
(409), that a folder exists once (409), and that a dashboard is overwritten only on demand (412).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.json_server import JsonHandler, JsonServer

__all__ = ["GrafanaData", "GrafanaFake"]

_SOURCE_FIELDS = {
    *("name", "uid", "type", "access", "url", "basicAuth", "basicAuthUser", "jsonData", "secureJsonData"),
}


@dataclass
class GrafanaData:
    """The state of a Grafana.

    Attributes:
        roles: the role of each token: Admin, or Viewer, which may only read.
        sources: the data sources by uid, with their secrets.
        folders: the titles of the folders by uid.
        dashboards: the dashboards by uid, with ``folderUid``.
        failing: the status of a method and path that fails.
        requests: method and path of each request.
    """

    roles: dict[str, str] = field(default_factory=lambda: {"glsa_admin": "Admin", "glsa_viewer": "Viewer"})
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: dict[tuple[str, str], int] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)


class _Handler(JsonHandler):
    data: GrafanaData

    def _handle(self) -> None:
        data, method, path = self.data, self.command, self.path
        data.requests.append((method, path))
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        role = data.roles.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if role is None:
            self._reply(401, {"message": "Invalid API key"})
        elif method != "GET" and role != "Admin":
            self._reply(403, {"message": "You'll need additional permissions to perform this action."})
        elif (method, path) in data.failing:
            self._reply(data.failing[method, path], {"message": "it fails"})
        else:
            self._reply(*self._answer(method, path, body))

    do_GET = do_POST = do_PUT = _handle  # noqa: N815  # the base class' names

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        match path.strip("/").split("/"):
            case ["api", "datasources", *rest]:
                return self._data_source(method, rest, body)
            case ["api", "folders", *rest]:
                return self._folder(method, rest, body)
            case ["api", "dashboards", *rest]:
                return self._dashboard(method, rest, body)
        return 404, {"message": "Not found"}

    def _data_source(self, method: str, rest: list[str], body: Any) -> tuple[int, dict[str, Any]]:
        known = self.data.sources
        if method == "POST" and not rest:
            if body["uid"] in known or any(one["name"] == body["name"] for one in known.values()):
                return 409, {"message": "data source with the same name already exists"}
            return self._keep(body)
        if rest[0] != "uid" or rest[1] not in known:
            return 404, {"message": "Data source not found"}
        source = known[rest[1]]
        if method == "PUT":
            return self._keep(body)
        if rest[2:] == ["health"]:
            healthy = source["secureJsonData"]["basicAuthPassword"] != "wrong"
            return (200, {"status": "OK"}) if healthy else (400, {"status": "ERROR"})
        shown = {name: value for name, value in source.items() if name != "secureJsonData"}
        return 200, {**shown, "id": 1, "version": 1, "readOnly": False}

    def _folder(self, method: str, rest: list[str], body: Any) -> tuple[int, dict[str, Any]]:
        known = self.data.folders
        if method == "GET":
            return (200, {"uid": rest[0]}) if rest[0] in known else (404, {"message": "folder not found"})
        if body["uid"] in known:
            return 409, {"message": "a folder with the same UID already exists"}
        known[body["uid"]] = body["title"]
        return 200, body

    def _dashboard(self, method: str, rest: list[str], body: Any) -> tuple[int, dict[str, Any]]:
        if method == "POST" and rest == ["db"]:
            return self._save(body)
        if rest[0] != "uid" or rest[1] not in self.data.dashboards:
            return 404, {"message": "Dashboard not found"}
        content = {**self.data.dashboards[rest[1]], "id": 7, "version": 3}
        folder = content.pop("folderUid")
        return 200, {"dashboard": content, "meta": {"folderUid": folder}}

    def _keep(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if set(body) != _SOURCE_FIELDS or len(body["uid"]) > 40 or body["type"] != "prometheus":
            return 400, {"message": "bad request data"}
        self.data.sources[body["uid"]] = body
        return 200, {"message": "Datasource added", "name": body["name"]}

    def _save(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        content, folder = body["dashboard"], body["folderUid"]
        uid = content["uid"]
        if folder not in self.data.folders or not content["title"] or len(uid) > 40 or content.get("id"):
            return 400, {"message": "bad request data"}
        if uid in self.data.dashboards and not body["overwrite"]:
            return 412, {"message": "A dashboard with the same uid exists", "status": "name-exists"}
        self.data.dashboards[uid] = {**content, "folderUid": folder}
        return 200, {"uid": uid, "status": "success", "version": 1}


class GrafanaFake(JsonServer):
    """A Grafana on the loopback address.

    Args:
        data: its state.

    Attributes:
        data: its state.
    """

    def __init__(self, data: GrafanaData) -> None:
        super().__init__(_Handler, data=data)
        self.data = data
