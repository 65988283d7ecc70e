"""Projects, users, roles and application credentials, created through Keystone's API."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import requests

from chrysaetos.demo.keystone import REGION
from chrysaetos.demo.processes import DemoError
from chrysaetos.secret import new_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DOMAIN",
    "DOMAIN_NAME",
    "Account",
    "ApplicationCredential",
    "Identities",
    "IdentityApi",
    "create_identities",
    "password_auth",
]

DOMAIN = "default"
"""The id of the domain of all users and projects."""
DOMAIN_NAME = "Default"
"""Its name."""

_TENANTS = (("aquila", "member"), ("bubo", "reader"), ("corvus", "member"))
"""The name of each project, which is also its user's name, and the user's role in the project."""


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    """An application credential with its secret, which Keystone returns only once."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user and the project in which the user has a role.

    Attributes:
        user: the user's name.
        user_id: the user's id.
        password: the user's password.
        project_id: the project's id. This and the next three are None for a user without a role.
        project_name: the project's name.
        role: the role's name.
        application_credential: an application credential with the user's role in the project.
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
        """Return the body of a token request for the account's project; unscoped if it has no project."""
        scope = None if self.project_id is None else {"project": {"id": self.project_id}}
        return password_auth(self.user_id, self.password, scope)

    def to_json(self) -> dict[str, Any]:
        """Return the attributes that are set, as JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Account:
        """Return the account that ``to_json`` returned as JSON values."""
        credential = values.get("application_credential")
        restored = None if credential is None else ApplicationCredential(**credential)
        return cls(**{**values, "application_credential": restored})


@dataclass(frozen=True, slots=True)
class Identities:
    """The accounts of the demo.

    Attributes:
        tenants: users that have a project each.
        admin: a user with the role admin in the project ``admin``.
        service: a user with the role service in the project ``service``.
        stranger: a user without any role.
        gateway: the user with which the gateway validates tokens.
    """

    tenants: tuple[Account, ...]
    admin: Account
    service: Account
    stranger: Account
    gateway: Account

    def to_json(self) -> dict[str, Any]:
        """Return all accounts as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Identities:
        """Return the identities that ``to_json`` returned as JSON values."""
        singles = {name: Account.from_json(value) for name, value in values.items() if name != "tenants"}
        return cls(tenants=tuple(Account.from_json(tenant) for tenant in values["tenants"]), **singles)


def password_auth(user_id: str, password: str, scope: Any = None) -> dict[str, Any]:
    """Return the body of a token request with a password.

    Args:
        user_id: the user's id.
        password: the user's password.
        scope: Keystone's scope object, such as ``{"project": {"id": …}}``, ``{"domain": {"id": …}}`` or
            ``{"system": {"all": True}}``; None for an unscoped token.
    """
    identity = {"methods": ["password"], "password": {"user": {"id": user_id, "password": password}}}
    # Without a scope, Keystone would issue a token for the user's default project.
    return {"auth": {"identity": identity, "scope": "unscoped" if scope is None else scope}}


class IdentityApi:
    """A client of Keystone's v3 API that authenticates as ``admin``.

    Args:
        url: URL of the v3 API.
        password: the password of the user ``admin``.
    """

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        # Do not use the environment's proxies for the loopback address.
        self._session.trust_env = False
        self._roles: dict[str, str] = {}
        user = {"name": "admin", "domain": {"id": DOMAIN}, "password": password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": "admin", "domain": {"id": DOMAIN}}}
        response = self._send("POST", "/auth/tokens", {"auth": {"identity": identity, "scope": scope}}, None)
        self.admin_token = response.headers["X-Subject-Token"]
        token = response.json()["token"]
        self.admin_user_id = str(token["user"]["id"])
        self.admin_project_id = str(token["project"]["id"])

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, method: str, path: str, body: Any, token: str | None) -> requests.Response:
        headers = {} if token is None else {"X-Auth-Token": token}
        try:
            response = self._session.request(method, self.url + path, json=body, headers=headers, timeout=30)
        except requests.RequestException as error:
            raise DemoError(f"Keystone: {method} {path}: {type(error).__name__}") from error
        if not response.ok:
            # Keystone's error messages never contain secrets of the request.
            raise DemoError(
                f"Keystone: {method} {path}: {response.status_code} {response.text.strip()[:300]}"
            )
        return response

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Send a request.

        Args:
            method: the HTTP method.
            path: the path after ``/v3``, with its query.
            body: the body, sent as JSON.
            token: the token to authenticate with; admin's if None.

        Returns:
            The decoded JSON of the response, None if it has no body.

        Raises:
            DemoError: the request failed.
        """
        response = self._send(method, path, body, token or self.admin_token)
        return response.json() if response.content else None

    def token(self, auth: Mapping[str, Any]) -> str:
        """Issue a token for the body of a token request, such as ``password_auth`` returns."""
        return self._send("POST", "/auth/tokens", auth, None).headers["X-Subject-Token"]

    def create_project(self, name: str) -> str:
        """Create a project and return its id."""
        body = {"project": {"name": name, "domain_id": DOMAIN}}
        return str(self.call("POST", "/projects", body)["project"]["id"])

    def create_user(self, name: str, password: str) -> str:
        """Create a user and return its id."""
        body = {"user": {"name": name, "domain_id": DOMAIN, "password": password}}
        return str(self.call("POST", "/users", body)["user"]["id"])

    def role_id(self, name: str) -> str:
        """Return the id of an existing role."""
        if not self._roles:
            self._roles = {role["name"]: role["id"] for role in self.call("GET", "/roles")["roles"]}
        return self._roles[name]

    def grant(self, user_id: str, role: str, *, on: str) -> None:
        """Assign a role to a user.

        Args:
            user_id: the user's id.
            role: the role's name.
            on: ``/projects/ID``, ``/domains/ID`` or ``/system``.
        """
        self.call("PUT", f"{on}/users/{user_id}/roles/{self.role_id(role)}")

    def create_application_credential(self, account: Account, **attributes: Any) -> ApplicationCredential:
        """Create an application credential with all roles of an account in its project.

        Args:
            account: the account, since only the user can create the credential.
            attributes: further attributes of the credential. Its name is unique for the user.
        """
        credential = {"name": "demo", "secret": new_secret(), **attributes}
        path = f"/users/{account.user_id}/application_credentials"
        body = {"application_credential": credential}
        created = self.call("POST", path, body, token=self.token(account.auth()))
        return ApplicationCredential(created["application_credential"]["id"], credential["secret"])

    def admin_account(self, password: str) -> Account:
        """Return the account of ``admin``, with a new application credential.

        Args:
            password: the password of ``admin``.
        """
        account = Account(
            user="admin",
            user_id=self.admin_user_id,
            password=password,
            project_id=self.admin_project_id,
            project_name="admin",
            role="admin",
        )
        return self._with_credential(account)

    def create_account(self, name: str, project_id: str, project_name: str, role: str) -> Account:
        """Create a user with a role in a project and an application credential."""
        password = new_secret()
        user_id = self.create_user(name, password)
        self.grant(user_id, role, on=f"/projects/{project_id}")
        account = Account(
            user=name,
            user_id=user_id,
            password=password,
            project_id=project_id,
            project_name=project_name,
            role=role,
        )
        return self._with_credential(account)

    def _with_credential(self, account: Account) -> Account:
        return replace(account, application_credential=self.create_application_credential(account))

    def register_endpoint(self, service_type: str, name: str, url: str) -> None:
        """Add a service to the catalog, or update the URL of its endpoints.

        Args:
            service_type: the service type, such as ``metric-storage``.
            name: the service's name.
            url: the URL of the public, internal and admin endpoint.
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
            existing = endpoints.get(interface)
            if existing is None:
                endpoint = {"service_id": service_id, "interface": interface, "region_id": REGION, "url": url}
                self.call("POST", "/endpoints", {"endpoint": endpoint})
            elif existing["url"] != url:
                self.call("PATCH", f"/endpoints/{existing['id']}", {"endpoint": {"url": url}})


def create_identities(api: IdentityApi, admin_password: str) -> Identities:
    """Create all accounts in a Keystone that has only ``admin``.

    Args:
        api: the client of Keystone.
        admin_password: the password of ``admin``.
    """
    tenants = tuple(api.create_account(name, api.create_project(name), name, role) for name, role in _TENANTS)
    service_project = api.create_project("service")
    stranger_password = new_secret()
    return Identities(
        tenants=tenants,
        admin=api.admin_account(admin_password),
        service=api.create_account("service", service_project, "service", "service"),
        stranger=Account(
            user="stranger",
            user_id=api.create_user("stranger", stranger_password),
            password=stranger_password,
        ),
        gateway=api.create_account("aetos", service_project, "service", "service"),
    )
