"""Projects, users, roles and application credentials, made through Keystone's own API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import requests

from chrysaetos.demo.keystone import REGION
from chrysaetos.demo.processes import DemoError
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = [
    "DOMAIN",
    "Account",
    "ApplicationCredential",
    "Identities",
    "IdentityApi",
    "application_credential_auth",
    "create_identities",
    "password_auth",
]

DOMAIN = "default"
"""The id of the domain that everything is in. Its name is `Default`."""

_TENANTS = (("aquila", "member"), ("bubo", "reader"), ("corvus", "member"))
"""Project, which is also its user's name, and that user's role in it."""


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    """An application credential with its secret, which Keystone tells once only."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user, and the project that it has a role in.

    Attributes:
        user: its name.
        user_id: its id.
        password: its password.
        project_id: the project's id; None for a user without any role, as the next three.
        project_name: the project's name.
        role: the role's name.
        application_credential: one with the user's role in the project.
        domain: the id of the domain of user and project.
    """

    user: str
    user_id: str
    password: str
    project_id: str | None = None
    project_name: str | None = None
    role: str | None = None
    application_credential: ApplicationCredential | None = None
    domain: str = DOMAIN

    def auth(self) -> dict[str, Any]:
        """The body that asks Keystone for this account's token: of its project, or unscoped without one."""
        scope = None if self.project_id is None else {"project": {"id": self.project_id}}
        return password_auth(self.user_id, self.password, scope)

    def to_json(self) -> dict[str, Any]:
        """What of it is known, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Account:
        """The account that `to_json` wrote."""
        credential = values.get("application_credential")
        restored = None if credential is None else ApplicationCredential(**credential)
        return cls(**{**values, "application_credential": restored})


@dataclass(frozen=True, slots=True)
class Identities:
    """Everybody in the demo.

    Attributes:
        tenants: a user each in a project each.
        admin: role admin in the project `admin`.
        service: role service in the project `service`.
        stranger: a user without a role anywhere.
        gateway: the user with which the gateway validates tokens.
    """

    tenants: tuple[Account, ...]
    admin: Account
    service: Account
    stranger: Account
    gateway: Account

    def to_json(self) -> dict[str, Any]:
        """All accounts as JSON values."""
        singles = {
            name: getattr(self, name).to_json() for name in ("admin", "service", "stranger", "gateway")
        }
        return {"tenants": [tenant.to_json() for tenant in self.tenants], **singles}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Identities:
        """The identities that `to_json` wrote."""
        singles = {name: Account.from_json(value) for name, value in values.items() if name != "tenants"}
        return cls(tenants=tuple(Account.from_json(tenant) for tenant in values["tenants"]), **singles)


def password_auth(user_id: str, password: str, scope: Any = None) -> dict[str, Any]:
    """The body of a token request with a password.

    Args:
        user_id: the user's id.
        password: its password.
        scope: Keystone's scope object, such as `{"project": {"id": …}}`, `{"domain": {"id": …}}` or
            `{"system": {"all": True}}`; None for an unscoped token.
    """
    identity = {"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}}
    # A user may have a default project; only this asks for a token without any.
    return {"auth": {"identity": identity, "scope": "unscoped" if scope is None else scope}}


def application_credential_auth(credential: ApplicationCredential) -> dict[str, Any]:
    """The body of a token request with an application credential."""
    method = "application_credential"
    return {"auth": {"identity": {"methods": [method], method: asdict(credential)}}}


class IdentityApi:
    """Keystone's v3 API with the rights of `admin`.

    Args:
        url: the v3 API.
        password: the password of the user `admin`.
    """

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        # The environment's proxies are not for the loopback address.
        self._session.trust_env = False
        self._roles: dict[str, str] = {}
        user = {"name": "admin", "domain": {"id": DOMAIN}, "password": password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": {"id": DOMAIN}}}
        answer = self._send("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}}, None)
        self.admin_token = answer.headers["X-Subject-Token"]
        token = answer.json()["token"]
        self.admin_user_id = str(token["user"]["id"])
        self.admin_project_id = str(token["project"]["id"])

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def _send(self, method: str, path: str, body: Any, token: str | None) -> requests.Response:
        headers = {} if token is None else {"X-Auth-Token": token}
        try:
            answer = self._session.request(method, self.url + path, json=body, headers=headers, timeout=30)
        except requests.RequestException as error:
            raise DemoError(f"Keystone: {method} {path}: {type(error).__name__}") from error
        if not answer.ok:
            # The answer of Keystone names what it refuses; it never repeats the request's secrets.
            raise DemoError(f"Keystone: {method} {path}: {answer.status_code} {answer.text.strip()[:300]}")
        return answer

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Send a request.

        Args:
            method: the HTTP method.
            path: the path behind `/v3`, with its query.
            body: sent as JSON.
            token: whose rights to use; admin's when None.

        Returns:
            The JSON of the answer, None when it has no body.

        Raises:
            DemoError: Keystone refused it.
        """
        answer = self._send(method, path, body, token or self.admin_token)
        return answer.json() if answer.content else None

    def token(self, auth: Mapping[str, Any]) -> str:
        """Issue a token for a body such as `password_auth` makes."""
        return self._send("POST", "/auth/tokens", auth, None).headers["X-Subject-Token"]

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        answer = self._session.delete(
            f"{self.url}/auth/tokens",
            headers={"X-Auth-Token": self.admin_token, "X-Subject-Token": token},
            timeout=30,
        )
        if not answer.ok:
            raise DemoError(f"Keystone: the token could not be revoked: {answer.status_code}")

    def create_project(self, name: str) -> str:
        """Make a project and return its id."""
        body = {"project": {"name": name, "domain_id": DOMAIN}}
        return str(self.call("POST", "/projects", body)["project"]["id"])

    def create_user(self, name: str, password: str) -> str:
        """Make a user and return its id."""
        body = {"user": {"name": name, "domain_id": DOMAIN, "password": password}}
        return str(self.call("POST", "/users", body)["user"]["id"])

    def role_id(self, name: str) -> str:
        """The id of a role that exists."""
        if not self._roles:
            self._roles = {role["name"]: role["id"] for role in self.call("GET", "/roles")["roles"]}
        return self._roles[name]

    def grant(self, user_id: str, role: str, *, on: str) -> None:
        """Give a user a role.

        Args:
            user_id: the user's id.
            role: the role's name.
            on: `/projects/ID`, `/domains/ID` or `/system`.
        """
        self.call("PUT", f"{on}/users/{user_id}/roles/{self.role_id(role)}")

    def create_application_credential(
        self,
        user_id: str,
        password: str,
        project_id: str,
        *,
        name: str = "demo",
        access_rules: Sequence[Mapping[str, str]] | None = None,
        expires_at: datetime | None = None,
    ) -> ApplicationCredential:
        """Make an application credential with all roles that a user has in a project.

        Args:
            user_id: whose it is.
            password: that user's password: nobody else may make it.
            project_id: the project it is for.
            name: unique for the user.
            access_rules: Keystone's access rules (`service`, `method`, `path`); anything goes when None.
            expires_at: when it ends (UTC), and every token issued with it at the latest.
        """
        token = self.token(password_auth(user_id, password, {"project": {"id": project_id}}))
        wanted: dict[str, Any] = {"name": name, "secret": new_secret()}
        if access_rules is not None:
            wanted["access_rules"] = [dict(rule) for rule in access_rules]
        if expires_at is not None:
            wanted["expires_at"] = expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        path = f"/users/{user_id}/application_credentials"
        made = self.call("POST", path, {"application_credential": wanted}, token=token)[
            "application_credential"
        ]
        return ApplicationCredential(made["id"], wanted["secret"])

    def create_account(self, name: str, project_id: str, project_name: str, role: str) -> Account:
        """Make a user with a role in a project, and an application credential for both."""
        password = new_secret()
        user_id = self.create_user(name, password)
        self.grant(user_id, role, on=f"/projects/{project_id}")
        return Account(
            user=name,
            user_id=user_id,
            password=password,
            project_id=project_id,
            project_name=project_name,
            role=role,
            application_credential=self.create_application_credential(user_id, password, project_id),
        )

    def register_endpoint(self, service_type: str, name: str, url: str) -> None:
        """Put a service into the catalog, or move its endpoints to a new URL.

        Args:
            service_type: such as `metric-storage`.
            name: the service's name.
            url: the URL of its public, internal and admin endpoint.
        """
        services = self.call("GET", f"/services?type={service_type}")["services"]
        if services:
            service_id = services[0]["id"]
        else:
            body = {"service": {"type": service_type, "name": name}}
            service_id = self.call("POST", "/services", body)["service"]["id"]
        endpoints = {
            endpoint["interface"]: endpoint
            for endpoint in self.call("GET", f"/endpoints?service_id={service_id}")["endpoints"]
        }
        for interface in ("public", "internal", "admin"):
            known = endpoints.get(interface)
            if known is None:
                wanted = {"service_id": service_id, "interface": interface, "region_id": REGION, "url": url}
                self.call("POST", "/endpoints", {"endpoint": wanted})
            elif known["url"] != url:
                self.call("PATCH", f"/endpoints/{known['id']}", {"endpoint": {"url": url}})


def create_identities(api: IdentityApi, admin_password: str) -> Identities:
    """Make everybody in a Keystone that has only `admin`.

    Args:
        api: that Keystone.
        admin_password: the password of `admin`.
    """
    tenants = tuple(api.create_account(name, api.create_project(name), name, role) for name, role in _TENANTS)
    service_project = api.create_project("service")
    stranger_password = new_secret()
    return Identities(
        tenants=tenants,
        admin=Account(
            user="admin",
            user_id=api.admin_user_id,
            password=admin_password,
            project_id=api.admin_project_id,
            project_name="admin",
            role="admin",
            application_credential=api.create_application_credential(
                api.admin_user_id, admin_password, api.admin_project_id
            ),
        ),
        service=api.create_account("service", service_project, "service", "service"),
        stranger=Account(
            user="stranger",
            user_id=api.create_user("stranger", stranger_password),
            password=stranger_password,
        ),
        gateway=api.create_account("aetos", service_project, "service", "service"),
    )
