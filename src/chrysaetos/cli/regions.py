"""The cloud and region of common credentials, with keystoneauth1 alone.

openstacksdk reads every kind of configuration, but is slow to import. This module reads the kinds that most
people have: the variables of an openrc file, and an entry of clouds.yaml without profiles, several regions or
secure.yaml. If there is any setting that it does not know, or one is missing, the result is None, and the
caller uses openstacksdk, which also explains what is missing.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from chrysaetos.client import MetricsClient
from chrysaetos.client.transport import SERVICE_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keystoneauth1.access import AccessInfo
    from keystoneauth1.session import Session

__all__ = ["KeystoneRegion", "Region", "create_client", "find_access", "find_common_region"]

_IDENTITY = frozenset({"auth_url", "project_id", "project_name", "project_domain_id", "project_domain_name"})
_USER = frozenset({"username", "user_id", "user_domain_id", "user_domain_name", "password"})
_CREDENTIAL = frozenset({"auth_url", "application_credential_id", "application_credential_secret"})


class _Plugin(NamedTuple):
    """A kind of credentials.

    Attributes:
        module: the module of the class.
        name: the name of the class.
        options: the options that the class accepts, as far as they are known here.
        required: the options that it requires.
    """

    module: str
    name: str
    options: frozenset[str]
    required: frozenset[str]


_GENERIC, _V3 = "keystoneauth1.identity.generic", "keystoneauth1.identity.v3"
_PLUGINS = {
    "password": _Plugin(_GENERIC, "Password", _IDENTITY | _USER, frozenset({"auth_url", "password"})),
    "v3password": _Plugin(_V3, "Password", _IDENTITY | _USER, frozenset({"auth_url", "password"})),
    "token": _Plugin(_GENERIC, "Token", _IDENTITY | {"token"}, frozenset({"auth_url", "token"})),
    "v3token": _Plugin(_V3, "Token", _IDENTITY | {"token"}, frozenset({"auth_url", "token"})),
    "v3applicationcredential": _Plugin(_V3, "ApplicationCredential", _CREDENTIAL, _CREDENTIAL),
}

_CONNECTION = frozenset({"auth_type", "region_name", "interface", "cacert", "cert", "key"})
_VARIABLES = _CONNECTION.union(*(plugin.options for plugin in _PLUGINS.values()))
_FILES = [f"clouds.{suffix}" for suffix in ("yaml", "yml", "json")]
_OTHER_FILES = [
    f"{name}.{suffix}" for name in ("secure", "clouds-public") for suffix in ("yaml", "yml", "json")
]

_FILE_VARIABLES = frozenset({"OS_CLIENT_SECURE_FILE", "OS_CLIENT_VENDOR_FILE", "OS_CLOUD_NAME"})
"""Variables that name other files or clouds."""


class Region(Protocol):
    """The cloud and region to use: a ``KeystoneRegion`` or a ``CloudRegion`` of openstacksdk.

    Attributes:
        config: the settings, by openstacksdk's names.
    """

    config: dict[str, Any]

    def get_session(self) -> Session:
        """Return the session, which logs in when it is used first."""
        ...

    def get_interface(self, service_type: str | None = None) -> list[str] | str | None:
        """Return the interface of a service's endpoint."""
        ...

    def get_region_name(self, service_type: str | None = None) -> str | None:
        """Return the name of a service's region."""
        ...

    def get_endpoint(self, service_type: str) -> str | None:
        """Return the configured URL of a service, None to use the catalog's."""
        ...


class KeystoneRegion:
    """A cloud and region for the services of its catalog.

    Args:
        config: complete settings: ``auth_type``, ``auth``, and settings of the connection.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self._session: Session | None = None

    def get_session(self) -> Session:
        """Return the session, which logs in when it is used first."""
        if self._session is None:
            from keystoneauth1.session import Session  # noqa: PLC0415  # slow to import

            from chrysaetos.auth_url import reject_other_services  # noqa: PLC0415  # slow to import

            config, plugin = self.config, _PLUGINS[self.config["auth_type"]]
            cert, key = (
                config.get(name) and str(Path(config[name]).expanduser()) for name in ("cert", "key")
            )
            verify = config.get("verify", True)
            if verify and "cacert" in config:
                verify = str(Path(config["cacert"]).expanduser())
            self._session = reject_other_services(
                Session(
                    auth=getattr(importlib.import_module(plugin.module), plugin.name)(**config["auth"]),
                    verify=verify,
                    cert=(cert, key) if cert and key else cert,
                    app_name="chrysaetos",
                )
            )
        return self._session

    def get_interface(self, service_type: str | None = None) -> str:  # noqa: ARG002  # the same for all
        """Return the interface of a service's endpoint."""
        return str(self.config.get("interface") or "public")

    def get_region_name(self, service_type: str | None = None) -> str | None:  # noqa: ARG002  # the same for all
        """Return the name of a service's region."""
        return self.config.get("region_name")

    def get_endpoint(self, service_type: str) -> str | None:  # noqa: ARG002  # none is configured
        """Return None: the endpoint is the catalog's."""
        return None


def create_client(region: Region, *, endpoint: str | None = None, timeout: float = 60.0) -> MetricsClient:
    """Return a client of a cloud's region.

    Args:
        region: the cloud and region.
        endpoint: a URL to use instead of the catalog's.
        timeout: seconds for a call.
    """
    interface = region.get_interface(SERVICE_TYPE) or "public"
    return MetricsClient(
        region.get_session(),
        interface=interface if isinstance(interface, str) else interface[0],
        region_name=region.get_region_name(SERVICE_TYPE) or None,
        timeout=timeout,
        endpoint_override=endpoint or region.get_endpoint(SERVICE_TYPE),
    )


def find_access(session: Session) -> AccessInfo | None:
    """Return the token's data from Keystone; None for credentials that do not use Keystone.

    Raises:
        ClientException: Keystone issues no token.
    """
    get_access: Any = getattr(session.auth, "get_access", None)
    found: AccessInfo | None = None if get_access is None else get_access(session)
    return found


def find_common_region(
    settings: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> KeystoneRegion | None:
    """Return the configured cloud and region, as openstacksdk would; None if openstacksdk has to read it.

    Args:
        settings: settings that override the others, by openstacksdk's names; None for one that is not given.
        environ: the variables.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    cloud = given.pop("cloud", None) or environ.get("OS_CLOUD")
    found = _variables(environ) if cloud is None else _entry(cloud, environ)
    if found is None:
        return None
    if given.pop("insecure", False):
        found["verify"] = False
    auth = found.pop("auth")
    for name, value in given.items():
        (found if name in _CONNECTION else auth)[name] = value
    return _complete(found, auth)


def _complete(config: dict[str, Any], auth: dict[str, Any]) -> KeystoneRegion | None:
    """Return the region if the settings are complete and all of them are known."""
    plugin = _PLUGINS.get(config.setdefault("auth_type", "password"))
    if plugin is None or not plugin.required <= auth.keys() <= plugin.options:
        return None
    if "password" in plugin.required and "user_id" not in auth:
        domains = auth.keys() & {"user_domain_id", "user_domain_name"}
        if "username" not in auth or not domains:
            return None
    texts = [*auth.values(), *(value for name, value in config.items() if name != "verify")]
    # openstacksdk replaces {name} in a value by another setting.
    if not all(isinstance(text, str) and text and not {"{", "}"} & set(text) for text in texts):
        return None
    return KeystoneRegion({**config, "auth": auth})


def _variables(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the settings of the variables ``OS_*``."""
    found: dict[str, Any] = {"auth": {}}
    for variable, value in environ.items():
        name = variable.removeprefix("OS_").lower()
        if not variable.startswith("OS_") or name.endswith("_api_version"):
            continue
        if name not in _VARIABLES:
            return None
        (found if name in _CONNECTION else found["auth"])[name] = value
    return found if found["auth"] else None


def _entry(cloud: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the settings of a cloud of clouds.yaml."""
    import yaml  # noqa: PLC0415  # only for clouds.yaml

    file = _clouds_file(environ)
    if file is None:
        return None
    try:
        content = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe
        entry = dict(content["clouds"][cloud])
        auth = dict(entry.pop("auth"))
    except (OSError, ValueError, TypeError, LookupError, yaml.YAMLError):
        return None
    for name in [name for name in entry if str(name).endswith("_api_version")]:
        del entry[name]
    if content.keys() != {"clouds"} or not entry.keys() <= _CONNECTION | {"verify"}:
        return None
    if not isinstance(entry.get("verify", True), bool):
        return None
    return {**entry, "auth": auth}


def _clouds_file(environ: Mapping[str, str]) -> Path | None:
    """Return the clouds.yaml that openstacksdk would read; None if there is none, or other files matter."""
    if any(name.startswith("XDG_CONFIG") or name in _FILE_VARIABLES for name in environ):
        return None
    home = Path(environ.get("HOME") or "/nonexistent")
    folders = [Path.cwd(), home / ".config" / "openstack", Path("/etc/xdg/openstack"), Path("/etc/openstack")]
    if any((folder / name).exists() for folder in folders for name in _OTHER_FILES):
        return None
    if override := environ.get("OS_CLIENT_CONFIG_FILE"):
        return Path(override) if Path(override).is_file() else None
    files = (folder / name for folder in folders for name in _FILES)
    return next((file for file in files if file.exists()), None)
