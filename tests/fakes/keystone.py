"""An HTTP server with a part of Keystone's API: versions, ``/v3/auth/tokens`` and ``GET /v3/projects``.

It has the service user ``gateway`` with the password ``service-secret``, and the data that a test provides.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from tests.fakes.json_server import JsonHandler, JsonServer

from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FakeKeystone"]

SERVICE_USER = ("gateway", "service-secret")


class FakeKeystone:
    """Keystone on a free port of the loopback interface.

    Attributes:
        url: the root URL.
        validations: the subject tokens of all validations, in order.
        exchanges: identities of all logins except the service user's, in order.
        queries: query strings of the validations.
        delay: seconds before each response.
        hold: validations and logins, except the service user's, wait until this is set.
        status: if set, the status of all responses.
        failing: statuses of the next validations and lists of projects; 0 closes the connection.
        passwords: password by (user, user's domain, project, project's domain).
        application_credentials: secret and properties of the token, by id.
        token_life: lifetime in seconds of tokens issued at login.
        service_type: type of the second service in the catalog; None for no second service.
        clock_lag: how many seconds the clock is slow.
        projects: ids of the projects, by domain.
        listings: queries of the requests for projects, in order.
        page: number of projects in a page.
        may_list: whether the service user may list projects.
        can_validate: whether validations of tokens succeed; else they are answered with 500.
        changed: modifies the body of a list of projects before it is sent.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.validations: list[str] = []
        self.exchanges: list[dict[str, Any]] = []
        self.queries: list[str] = []
        self.delay = 0.0
        self.hold = threading.Event()
        self.hold.set()
        self.status: int | None = None
        self.failing: list[int] = []
        self.passwords: dict[tuple[str, str, str, str], str] = {}
        self.application_credentials: dict[str, tuple[str, dict[str, Any]]] = {}
        self.token_life = 3600.0
        self.clock_lag = 0.0
        self.service_type: str | None = "metric-storage"
        self.projects: dict[str, list[str]] = {}
        self.listings: list[dict[str, str]] = []
        self.page = 1000
        self.may_list = True
        self.can_validate = True
        self.changed: Callable[[dict[str, Any]], None] = lambda _: None
        self._server: JsonServer | None = JsonServer(_Handler, keystone=self)
        self._server.start()
        self.url = self._server.root_url

    def stop(self) -> None:
        """Stop the server, so that connections are refused."""
        if self._server is not None:
            self.hold.set()
            self._server.stop()
            self._server = None

    def issue(
        self,
        *,
        token: str | None = None,
        user: str = "alice",
        project: str | None = "apollo",
        domain: str | None = None,
        system: bool = False,
        roles: tuple[str, ...] = ("member", "reader"),
        expires_in: float = 3600.0,
        access_rules: list[dict[str, str]] | None = None,
    ) -> bytes:
        """Issue a token for ``expires_in`` seconds. Without project, domain and system it is unscoped."""
        token = token or new_secret()
        data: dict[str, Any] = {
            "methods": ["password"],
            "user": {"id": f"{user}-id", "name": user, "domain": {"id": "default", "name": "Default"}},
            "audit_ids": ["x"],
            "issued_at": _iso(time.time() - 1),
            "expires_at": _iso(time.time() + expires_in),
        }
        if system:
            data["system"] = {"all": True}
        elif domain:
            data["domain"] = {"id": f"{domain}-id", "name": domain}
        elif project:
            data["project"] = {
                "id": f"{project}-id",
                "name": project,
                "domain": {"id": "projects", "name": "Projects"},
            }
        if system or domain or project:
            data["roles"] = [{"id": f"{role}-id", "name": role} for role in roles]
        if access_rules is not None:
            data["application_credential"] = {"id": "ac", "name": "ac", "restricted": True}
            data["application_credential"]["access_rules"] = access_rules
        self.tokens[token] = data
        return token.encode()

    def revoke(self, token: bytes) -> None:
        """Remove a token."""
        del self.tokens[token.decode()]

    def catalog(self) -> list[dict[str, Any]]:
        """Return the catalog with Keystone and the second service."""
        services = [("identity", f"{self.url}/v3")]
        if self.service_type:
            services.append((self.service_type, "http://gateway.example"))
        return [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [
                    {"id": f"{kind}-{interface}", "interface": interface, "region": "r", "url": url}
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind, url in services
        ]

    def list_projects(self, query: dict[str, str]) -> dict[str, Any]:
        """Return the body of a page. The marker is the last project of the previous page."""
        projects = self.projects.get(query["domain_id"], [])
        start = projects.index(query["marker"]) + 1 if "marker" in query else 0
        page = projects[start : start + self.page]
        rest = len(projects) > start + self.page
        # The link is a public URL, which the gateway may not be able to reach.
        following = None
        if rest:
            following = f"https://public.example/v3/projects?{urlencode({**query, 'marker': page[-1]})}"
        body: dict[str, Any] = {
            "projects": [{"id": project, "domain_id": query["domain_id"]} for project in page],
            "links": {"next": following, "self": "https://public.example/v3/projects", "previous": None},
        }
        if rest:
            body["truncated"] = True
        self.changed(body)
        return body

    def log_in(self, auth: dict[str, Any]) -> bytes | None:
        """Return a token for the body of ``POST /v3/auth/tokens``, None if the credentials are wrong."""
        identity = auth["identity"]
        if identity["methods"] == ["application_credential"]:
            given = identity["application_credential"]
            secret, properties = self.application_credentials.get(given["id"], (None, {}))
            if secret != given["secret"]:
                return None
            return self.issue(**{"expires_in": self.token_life, **properties})
        user, project = identity["password"]["user"], auth["scope"]["project"]
        names = (user["name"], user["domain"]["name"], project["name"], project["domain"]["name"])
        if self.passwords.get(names) != user["password"]:
            return None
        return self.issue(user=user["name"], project=project["name"], expires_in=self.token_life)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Handler(JsonHandler):
    keystone: FakeKeystone

    def do_GET(self) -> None:  # noqa: N802  # the base class' name
        keystone = self.keystone
        if self._broken():
            return
        path, _, query = self.path.partition("?")
        if path.rstrip("/") in {"", "/v3"}:
            version = {
                "id": "v3.14",
                "status": "stable",
                "links": [{"rel": "self", "href": f"{keystone.url}/v3/"}],
                "media-types": [],
            }
            if path.startswith("/v3"):
                self._reply(200, {"version": version})
            else:
                self._reply(300, {"versions": {"values": [version]}})
            return
        if keystone.failing:
            if status := keystone.failing.pop(0):
                self._error(status, "You are not authorized to perform the requested action.")
            return
        if path == "/v3/projects":
            self._list(query)
            return
        token = self.headers["X-Subject-Token"]
        keystone.validations.append(token)
        keystone.queries.append(query)
        keystone.hold.wait(10)
        if not keystone.can_validate:
            self._error(500, "out of order")
            return
        data = keystone.tokens.get(token)
        now = _iso(time.time() - keystone.clock_lag)
        if self.headers["X-Auth-Token"] not in keystone.tokens:
            self._error(401, "the service's own token is not valid")
        elif data is None or (data["expires_at"] < now and "allow_expired" not in query):
            self._error(404, f"Could not find token: {token}")
        elif "access_rules" in data.get("application_credential", ()) and not self.headers.get(
            "OpenStack-Identity-Access-Rules"
        ):
            self._error(404, "the service does not know access rules")
        else:
            catalog = {} if "nocatalog" in query else {"catalog": keystone.catalog()}
            self._reply(200, {"token": {**data, **catalog}})

    def _list(self, query: str) -> None:
        keystone = self.keystone
        parameters = dict(parse_qsl(query))
        keystone.listings.append(parameters)
        keystone.hold.wait(10)
        if self.headers["X-Auth-Token"] not in keystone.tokens:
            self._error(401, "the service's own token is not valid")
        elif not keystone.may_list:
            self._error(403, "You are not authorized to perform identity:list_projects.")
        else:
            self._reply(200, keystone.list_projects(parameters))

    def do_POST(self) -> None:  # noqa: N802  # the base class' name
        keystone = self.keystone
        auth = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]
        if self._broken():
            return
        user = auth["identity"].get("password", {}).get("user", {})
        if (user.get("name"), user.get("password")) == SERVICE_USER:
            token: bytes | None = keystone.issue(user=user["name"], project="service", roles=("service",))
        else:
            keystone.exchanges.append(auth)
            keystone.hold.wait(10)
            token = keystone.log_in(auth)
        credential_id = auth["identity"].get("application_credential", {}).get("id")
        if credential_id is not None and credential_id not in keystone.application_credentials:
            self._error(404, f"Could not find Application Credential: {credential_id}.")
        elif token is None:
            self._error(401, "The request you have made requires authentication.")
        else:
            body = {"token": {**keystone.tokens[token.decode()], "catalog": keystone.catalog()}}
            self._reply(201, body, {"X-Subject-Token": token.decode()})

    def _broken(self) -> bool:
        time.sleep(self.keystone.delay)
        if self.keystone.status is None:
            return False
        self._error(self.keystone.status, "out of order")
        return True

    def _error(self, status: int, message: str) -> None:
        self._reply(status, {"error": {"code": status, "title": "error", "message": message}})
