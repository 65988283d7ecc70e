"""Find a cloud with openstacksdk: from clouds.yaml, the variables ``OS_*`` and options."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

from keystoneauth1.exceptions import ClientException, MissingRequiredOptions
from openstack.config.loader import OpenStackConfig
from openstack.exceptions import SDKException

from chrysaetos.auth_url import reject_other_services
from chrysaetos.cli.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openstack.config.cloud_region import CloudRegion

__all__ = ["find_region", "openstackclient_region"]

_CONNECTION_SETTINGS = frozenset(
    {"auth_type", "region_name", "interface", "cacert", "cert", "key", "insecure", "cloud"}
)
"""The settings of the connection; all others are credentials."""


def find_region(settings: Mapping[str, Any]) -> CloudRegion:
    """Return the configured cloud and region.

    Args:
        settings: settings that override variables and clouds.yaml, by openstacksdk's names, such as ``cloud``
            and ``user_id``; None for a setting that is not given.

    Raises:
        CredentialsError: no cloud is configured, or a setting is missing.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    # Outside `auth`, the file would override them.
    auth = {name: given.pop(name) for name in given.keys() - _CONNECTION_SETTINGS}
    # Prompt for a password only on a terminal.
    pw_func = _prompt if sys.stdin.isatty() else None
    return _region(lambda: OpenStackConfig(pw_func=pw_func, app_name="chrysaetos"), auth=auth, **given)


def openstackclient_region(app: Any) -> CloudRegion:
    """Return the cloud and region of an ``openstack`` command before it has authenticated.

    Args:
        app: openstackclient's shell.

    Raises:
        CredentialsError: no cloud is configured, or a setting is missing.
    """
    return _region(lambda: app.cloud_config, cloud=app.options.cloud, argparse=app.options)


def _region(config: Callable[[], OpenStackConfig], **settings: Any) -> CloudRegion:
    try:
        region = config().get_one(**settings)
        reject_other_services(region.get_session())
    except MissingRequiredOptions as error:
        if "auth_url" in (option.dest for option in error.options):
            raise CredentialsError(
                "no credentials: select a cloud of clouds.yaml with --os-cloud, set the variables OS_*, "
                "or query Prometheus itself with --url"
            ) from error
        raise CredentialsError(f"invalid credentials: {error}") from error
    except (SDKException, ClientException, TypeError) as error:
        # TypeError: some plugins of keystoneauth1 do not check for missing arguments.
        raise CredentialsError(f"invalid credentials: {error}") from error
    # keystoneauth1 notices this when it sends the first request, and raises a plain Exception.
    if region.config["auth_type"] in {"password", "v3password"} and not region.config["auth"].get("password"):
        raise CredentialsError("no password: set OS_PASSWORD, or use a terminal, which prompts for it")
    return region


def _prompt(prompt: str | None = None) -> str:
    return getpass.getpass(prompt or "Password: ")
