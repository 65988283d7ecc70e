"""Register the gateway in Keystone, as an administrator: its user, its role and its entry in the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException, Unauthorized
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from chrysaetos.cli.errors import CredentialsError
from chrysaetos.cli.regions import find_common_region
from chrysaetos.client.transport import SERVICE_TYPE
from chrysaetos.errors import ConfigError
from chrysaetos.install.files import EXAMPLE_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chrysaetos.cli.regions import Region
    from chrysaetos.install.settings import Settings

__all__ = ["admin_region", "register"]

_INTERFACES = ("public", "internal")
_TIMEOUT = 30.0


def admin_region(cloud: str | None, environ: Mapping[str, str]) -> Region:
    """Return the cloud and region with the administrator's credentials.

    Args:
        cloud: the name of a cloud in clouds.yaml; None to use the variables ``OS_*`` alone.
        environ: the variables.

    Raises:
        ConfigError: credentials are missing or invalid.
    """
    if not cloud and "OS_AUTH_URL" not in environ:
        raise ConfigError("--register: source an administrator's openrc file, or use --os-cloud")
    region = find_common_region({"cloud": cloud}, environ)
    if region is not None:
        return region
    try:
        from chrysaetos.cli.clouds import find_region  # noqa: PLC0415  # openstacksdk is not in [gateway]

        return find_region({"cloud": cloud})
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--register: this kind of credentials needs openstacksdk: pip install 'chrysaetos[cli]'"
        ) from error
    except CredentialsError as error:
        raise ConfigError(f"--register: {error}") from error


def register(settings: Settings, password: str, region: Region, confirm: Callable[[str], bool]) -> list[str]:
    """Create what is missing in Keystone. It can be repeated.

    Args:
        settings: the names of user and region, and the public URL.
        password: the password of the service user.
        region: the cloud and region with the administrator's credentials.
        confirm: asks whether an endpoint with another URL may be changed.

    Returns:
        What was done, one line each.

    Raises:
        ConfigError: Keystone rejects a request or does not have the region, the password is empty or that of
            the example, or the user exists with another password.
    """
    if password in {"", EXAMPLE_PASSWORD}:
        raise ConfigError(
            "--register: aetos.conf has no password, or that of the example; "
            "let this command overwrite the file, or set another one"
        )
    try:
        session = region.get_session()
        session.timeout = _TIMEOUT
        keystone = _Keystone(
            Adapter(
                session,
                service_type="identity",
                interface=region.get_interface("identity"),
                region_name=region.get_region_name("identity"),
                version="3",
            )
        )
        _check_region(settings.region, keystone)
        _register_user(settings, password, keystone)
        _register_endpoints(settings, keystone, confirm)
    except ClientException as error:
        raise ConfigError(f"--register: {error}") from error
    return keystone.done


def _check_region(name: str, keystone: _Keystone) -> None:
    """Check that a region exists, before anything is created."""
    regions = keystone.regions()
    if name not in regions:
        raise ConfigError(
            f"--register: Keystone has no region {name}; set --region to {' or '.join(regions)}"
        )


def _register_user(settings: Settings, password: str, keystone: _Keystone) -> None:
    domain = {"domain_id": "default"}
    name = settings.service_user
    project = keystone.find_or_create("projects", {"name": "service", **domain})
    role = keystone.find_or_create("roles", {"name": "service"})
    existing = keystone.find("users", {"name": name, **domain})
    if existing is None:
        user = keystone.create("users", {"name": name, **domain}, {"password": password})
    else:
        user = existing["id"]
        own = Password(settings.keystone_url, user_id=user, password=password, unscoped=True)
        try:
            own.get_access(Session(verify=settings.keystone_ca or True, timeout=_TIMEOUT))
        except Unauthorized:
            raise ConfigError(
                f"--register: the user {name} exists with another password. Give its password with "
                "--password-file, or use another --service-user"
            ) from None
    keystone.grant(user, role, project, f"role service of {name} on project service")


def _register_endpoints(settings: Settings, keystone: _Keystone, confirm: Callable[[str], bool]) -> None:
    service = keystone.find_or_create("services", {"type": SERVICE_TYPE}, {"name": "aetos"})
    for interface in _INTERFACES:
        key = {"service_id": service, "interface": interface, "region_id": settings.region}
        found = keystone.find("endpoints", key)
        if found is None:
            keystone.create("endpoints", key, {"url": settings.public_url})
        elif found["url"] == settings.public_url:
            continue
        elif confirm(f"Change the {interface} endpoint from {found['url']} to {settings.public_url}?"):
            keystone.set_url(found["id"], interface, settings.public_url)
        else:
            keystone.done.append(f"left endpoint {interface} at {found['url']}")


class _Keystone:
    """Finds and creates things in Keystone's v3 API.

    Args:
        api: the client, as an administrator.

    Attributes:
        done: what was changed, one line each.
    """

    def __init__(self, api: Adapter) -> None:
        self._api = api
        self.done: list[str] = []

    def find(self, kind: str, key: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the first entity with these attributes, None if there is none."""
        found: list[dict[str, Any]] = self._api.get(f"/{kind}", params=dict(key)).json()[kind]
        return found[0] if found else None

    def regions(self) -> list[str]:
        """Return the ids of all regions."""
        return [region["id"] for region in self._api.get("/regions").json()["regions"]]

    def create(self, kind: str, key: Mapping[str, str], more: Mapping[str, str]) -> str:
        """Create an entity and return its id."""
        one = kind.removesuffix("s")
        created = self._api.post(f"/{kind}", json={one: {**key, **more}}).json()[one]
        self.done.append(f"created {one} {key.get('name') or key.get('type') or key.get('interface')}")
        return str(created["id"])

    def find_or_create(self, kind: str, key: Mapping[str, str], more: Mapping[str, str] | None = None) -> str:
        """Return the id of an entity, which is created if there is none."""
        found = self.find(kind, key)
        return str(found["id"]) if found else self.create(kind, key, more or {})

    def grant(self, user: str, role: str, project: str, text: str) -> None:
        """Assign a role."""
        path = f"/projects/{project}/users/{user}/roles/{role}"
        if self._api.head(path, raise_exc=False).status_code != 204:
            self._api.put(path)
            self.done.append(f"assigned {text}")

    def set_url(self, endpoint: str, interface: str, url: str) -> None:
        """Change the URL of an endpoint."""
        self._api.patch(f"/endpoints/{endpoint}", json={"endpoint": {"url": url}})
        self.done.append(f"changed endpoint {interface} to {url}")
