"""Whom the commands of ``chrysaetos`` ask, and with which credentials.

openstacksdk reads clouds.yaml and the variables ``OS_*``, as for every OpenStack command. It takes half a
second to load, so it is loaded when Keystone is needed, and not for a Prometheus that is asked directly.
"""

from __future__ import annotations

import getpass
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.failures import CredentialsError
from chrysaetos.cli.times import duration
from chrysaetos.client import MetricsClient

if TYPE_CHECKING:
    import argparse

    from keystoneauth1.access import AccessInfo
    from openstack.config.cloud_region import CloudRegion

__all__ = ["Connections", "add_options"]

_KEYSTONE = (
    ("cloud", "NAME", "the cloud in clouds.yaml"),
    ("auth-type", "TYPE", "the kind of credentials, such as password, token, v3applicationcredential"),
    ("auth-url", "URL", "Keystone"),
    ("username", "NAME", None),
    ("user-id", "ID", None),
    ("user-domain-name", "NAME", None),
    ("user-domain-id", "ID", None),
    ("password", "PASSWORD", "better in clouds.yaml or OS_PASSWORD: others see a command's arguments"),
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
    ("cacert", "FILE", "the certificate authorities to trust"),
    ("cert", "FILE", "the client's certificate"),
    ("key", "FILE", "its key"),
)
"""The options ``--os-…``: for each there is a variable ``OS_…``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say whom to ask, and as whom."""
    keystone = parser.add_argument_group(
        "Keystone", "as for the openstack command; each option is also a variable such as OS_CLOUD"
    )
    for name, metavar, text in _KEYSTONE:
        keystone.add_argument(f"--os-{name}", dest=f"os_{name.replace('-', '_')}", metavar=metavar, help=text)
    keystone.add_argument(
        "--os-endpoint-override", metavar="URL", help="ask the gateway here, not where the catalog says"
    )
    keystone.add_argument("--insecure", action="store_true", help="do not check certificates", default=None)
    direct = parser.add_argument_group(
        "without Keystone", "for Prometheus itself, or a gateway with Basic authentication"
    )
    direct.add_argument("--url", help="whom to ask (CHRYSAETOS_URL, where no --os-cloud is given)")
    direct.add_argument(
        "--user",
        metavar="NAME[:PASSWORD]",
        help="for Basic authentication, such as an application credential's id; "
        "the password is better in CHRYSAETOS_PASSWORD, or asked for",
    )
    direct.add_argument(
        "--bearer-token-file", metavar="FILE", help="a file with the token to send (or CHRYSAETOS_TOKEN)"
    )
    general = parser.add_argument_group("general")
    general.add_argument(
        "--timeout", type=duration, default=60.0, help="seconds for one answer (default: %(default)g)"
    )
    general.add_argument(
        "--debug", action="store_true", help="log each request, and show where an error comes from"
    )


class Connections:
    """What the options of `add_options` lead to. It stands where openstackclient has its client manager.

    Args:
        options: the options.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @property
    def _url(self) -> str | None:
        """Whom to ask without Keystone, if anybody. What is said stands above what is set."""
        if self.options.url is None and self.options.os_cloud is None:
            return os.environ.get("CHRYSAETOS_URL") or None
        url: str | None = self.options.url
        return url

    @property
    def direct(self) -> bool:
        """Whether Keystone is not asked."""
        return self._url is not None

    @cached_property
    def chrysaetos(self) -> MetricsClient:
        """The client.

        Raises:
            CredentialsError: there are no credentials, or they cannot be used.
        """
        options, url = self.options, self._url
        if url is None:
            from chrysaetos.cli.clouds import client_of  # noqa: PLC0415 - half a second

            return client_of(self.region, endpoint=options.os_endpoint_override, timeout=options.timeout)
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
        """Close the client's connections, if there is a client."""
        if "chrysaetos" in vars(self):
            self.chrysaetos.close()

    @cached_property
    def region(self) -> CloudRegion:
        """The cloud that the options, the variables and clouds.yaml name together.

        Raises:
            CredentialsError: none is named, or something is missing.
        """
        from chrysaetos.cli.clouds import region_of  # noqa: PLC0415 - half a second

        names = [name.replace("-", "_") for name, _, _ in _KEYSTONE]
        given = {name: getattr(self.options, f"os_{name}") for name in names}
        return region_of({**given, "insecure": self.options.insecure})

    @property
    def auth_ref(self) -> AccessInfo | None:
        """What Keystone says about the token; None where it is not asked."""
        if self.direct:
            return None
        session = self.region.get_session()
        # Not every kind of credentials is Keystone's: there is none, and http_basic.
        access: Any = getattr(session.auth, "get_access", None)
        found: AccessInfo | None = None if access is None else access(session)
        return found


def _login(user: str | None) -> tuple[str | None, str | None]:
    if user is None:
        return None, None
    name, colon, password = user.partition(":")
    if not colon:
        password = os.environ.get("CHRYSAETOS_PASSWORD", "")
        if not password and sys.stdin.isatty():
            password = getpass.getpass(f"Password of {name}: ")
    return name, password


def _bearer_token(file: str | None) -> str | None:
    if file is None:
        return os.environ.get("CHRYSAETOS_TOKEN") or None
    try:
        with open(file, encoding="ascii") as content:  # noqa: PTH123 - "-" and /dev/stdin are files, too
            return content.read().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise CredentialsError(f"--bearer-token-file {file}: {reason}") from error


def _certificate(cert: str | None, key: str | None) -> str | tuple[str, str] | None:
    return (cert, key) if cert and key else cert
