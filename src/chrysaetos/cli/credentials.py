"""Endpoint and credentials of the commands of ``chrysaetos``.

Clouds are found as for every OpenStack command, in clouds.yaml and the variables ``OS_*``. openstacksdk
is slow to import, so it reads only what ``regions`` does not.
"""

from __future__ import annotations

import getpass
import importlib
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from chrysaetos.cli.errors import CredentialsError
from chrysaetos.cli.regions import create_client, find_access, find_common_region
from chrysaetos.cli.times import parse_duration
from chrysaetos.client import MetricsClient

if TYPE_CHECKING:
    import argparse

    from keystoneauth1.access import AccessInfo
    from keystoneauth1.session import Session

    from chrysaetos.cli.regions import Region

__all__ = ["ClientManager", "add_options"]

_KEYSTONE = (
    ("cloud", "NAME", "the cloud in clouds.yaml"),
    ("auth-type", "TYPE", "the type of credentials, such as password, token, v3applicationcredential"),
    ("auth-url", "URL", "the URL of Keystone"),
    ("username", "NAME", None),
    ("user-id", "ID", None),
    ("user-domain-name", "NAME", None),
    ("user-domain-id", "ID", None),
    (
        "password",
        "PASSWORD",
        "prefer clouds.yaml or OS_PASSWORD: other users can see arguments",
    ),
    ("project-name", "NAME", None),
    ("project-id", "ID", None),
    ("project-domain-name", "NAME", None),
    ("project-domain-id", "ID", None),
    ("domain-id", "ID", None),
    ("domain-name", "NAME", None),
    ("system-scope", "all", None),
    ("trust-id", "ID", None),
    ("token", "TOKEN", None),
    ("application-credential-id", "ID", None),
    ("application-credential-name", "NAME", None),
    ("application-credential-secret", "SECRET", None),
    ("region-name", "NAME", None),
    ("interface", "NAME", "public, internal or admin"),
    ("cacert", "FILE", "the CA certificates to trust"),
    ("cert", "FILE", "the client's certificate"),
    ("key", "FILE", "the key of the client's certificate"),
)
"""The options ``--os-…``, each of which has a variable ``OS_…``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options for endpoint and credentials."""
    keystone = parser.add_argument_group(
        "Keystone", "as for the openstack command; each option is also a variable such as OS_CLOUD"
    )
    for name, metavar, text in _KEYSTONE:
        keystone.add_argument(f"--os-{name}", dest=f"os_{name.replace('-', '_')}", metavar=metavar, help=text)
    keystone.add_argument(
        "--os-endpoint-override", metavar="URL", help="the URL of the gateway, instead of the catalog's"
    )
    keystone.add_argument("--insecure", action="store_true", help="do not verify certificates", default=None)
    direct = parser.add_argument_group(
        "without Keystone", "for Prometheus itself, or a gateway with Basic authentication"
    )
    direct.add_argument("--url", help="the server's URL (or CHRYSAETOS_URL, unless --os-cloud is given)")
    direct.add_argument(
        "--user",
        metavar="NAME[:PASSWORD]",
        help="user for Basic authentication, such as an application credential's id; "
        "prefer CHRYSAETOS_PASSWORD or the prompt for the password",
    )
    direct.add_argument(
        "--bearer-token-file", metavar="FILE", help="a file with the token to send (or CHRYSAETOS_TOKEN)"
    )
    general = parser.add_argument_group("general")
    general.add_argument(
        "--timeout", type=parse_duration, default=60.0, help="seconds for a call (default: %(default)g)"
    )
    general.add_argument(
        "--debug", action="store_true", help="log each request, and show the traceback of an error"
    )


class ClientManager:
    """Creates the client from the options: what openstackclient's client manager does for ``openstack``.

    Args:
        options: the options of ``add_options``.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @property
    def _url(self) -> str | None:
        """The URL to use without Keystone, None to use Keystone. Options override variables."""
        if self.options.url is None and self.options.os_cloud is None:
            return os.environ.get("CHRYSAETOS_URL") or None
        url: str | None = self.options.url
        return url

    @property
    def direct(self) -> bool:
        """Whether Keystone is not used."""
        return self._url is not None

    @cached_property
    def chrysaetos(self) -> MetricsClient:
        """The client.

        Raises:
            CredentialsError: credentials are missing or invalid.
        """
        options, url = self.options, self._url
        if url is None:
            return create_client(self.region, endpoint=options.os_endpoint_override, timeout=options.timeout)
        user, password = _login(options.user)
        return MetricsClient.direct(
            url,
            username=user,
            password=password,
            token=_bearer_token(options.bearer_token_file),
            verify=False if options.insecure else options.os_cacert or True,
            cert=_certificate(options.os_cert, options.os_key),
            timeout=options.timeout,
        )

    def close(self) -> None:
        """Close the client's connections, if it was created."""
        if "chrysaetos" in vars(self):
            self.chrysaetos.close()

    @cached_property
    def region(self) -> Region:
        """The cloud and region of the options, the variables and clouds.yaml.

        Raises:
            CredentialsError: no cloud is configured, or a setting is missing.
        """
        _import_session()
        names = [name.replace("-", "_") for name, _, _ in _KEYSTONE]
        given = {name: getattr(self.options, f"os_{name}") for name in names}
        settings = {**given, "insecure": self.options.insecure}
        if common := find_common_region(settings):
            return common
        from chrysaetos.cli.clouds import find_region  # noqa: PLC0415  # slow to import

        return find_region(settings)

    @property
    def session(self) -> Session:
        """The session of the region."""
        return self.region.get_session()

    @property
    def auth_ref(self) -> AccessInfo | None:
        """The token's data from Keystone; None if Keystone is not used."""
        return None if self.direct else find_access(self.session)


def _import_session() -> None:
    """Import keystoneauth1's session without osprofiler, which it imports if installed, in 60 ms of CPU."""
    absent = "osprofiler" not in sys.modules
    if absent:
        sys.modules["osprofiler"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("keystoneauth1.session")
    finally:
        if absent:
            del sys.modules["osprofiler"]


def _login(user: str | None) -> tuple[str | None, str | None]:
    if user is None:
        return None, None
    name, colon, password = user.partition(":")
    if not colon:
        password = os.environ.get("CHRYSAETOS_PASSWORD", "")
        if not password and not sys.stdin.isatty():
            raise CredentialsError(
                f"no password for {name}: set CHRYSAETOS_PASSWORD, or use a terminal, which prompts for it"
            )
        password = password or getpass.getpass(f"Password for {name}: ")
    return name, password


def _bearer_token(file: str | None) -> str | None:
    if file is None:
        return os.environ.get("CHRYSAETOS_TOKEN") or None
    try:
        with open(file, encoding="ascii") as content:  # noqa: PTH123  # the argument is opened as given
            return content.read().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not an ASCII file"
        raise CredentialsError(f"--bearer-token-file {file}: {reason}") from error


def _certificate(cert: str | None, key: str | None) -> str | tuple[str, str] | None:
    return (cert, key) if cert and key else cert
