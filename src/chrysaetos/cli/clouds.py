"""Clouds as openstacksdk knows them: clouds.yaml, the variables ``OS_*`` and options, together."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

from keystoneauth1.exceptions import ClientException, MissingRequiredOptions
from openstack.config.loader import OpenStackConfig
from openstack.exceptions import SDKException

from chrysaetos.cli.failures import CredentialsError
from chrysaetos.client import MetricsClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openstack.config.cloud_region import CloudRegion

__all__ = ["SERVICE_TYPE", "client_of", "region_of", "region_of_openstackclient"]

SERVICE_TYPE = "metric-storage"


_NOT_FOR_KEYSTONE = frozenset(
    {"auth_type", "region_name", "interface", "cacert", "cert", "key", "insecure", "cloud"}
)
"""The settings that say where and how to connect; all others are the caller's identity."""


def region_of(settings: Mapping[str, Any]) -> CloudRegion:
    """The cloud that is meant.

    Args:
        settings: what stands above variables and clouds.yaml, by openstacksdk's names, such as `cloud` and
            `user_id`; None where not given.

    Raises:
        CredentialsError: none is named, or something is missing.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    # Beside `auth`, openstacksdk would let the file stand above them.
    auth = {name: given.pop(name) for name in given.keys() - _NOT_FOR_KEYSTONE}
    # Asked for a password is who can answer.
    ask = _ask if sys.stdin.isatty() else None
    return _region(lambda: OpenStackConfig(pw_func=ask, app_name="chrysaetos"), auth=auth, **given)


def region_of_openstackclient(app: Any) -> CloudRegion:
    """The cloud that an ``openstack`` command is meant for, before it has asked Keystone.

    Args:
        app: openstackclient's shell.

    Raises:
        CredentialsError: none is named, or something is missing.
    """
    return _region(lambda: app.cloud_config, cloud=app.options.cloud, argparse=app.options)


def _region(config: Callable[[], OpenStackConfig], **settings: Any) -> CloudRegion:
    try:
        return config().get_one(**settings)
    except MissingRequiredOptions as error:
        if "auth_url" in (option.dest for option in error.options):
            raise CredentialsError(
                "no credentials: name a cloud of clouds.yaml with --os-cloud, set the variables OS_*, "
                "or ask Prometheus itself with --url"
            ) from error
        raise CredentialsError(f"the credentials cannot be used: {error}") from error
    except (SDKException, ClientException, TypeError) as error:
        # TypeError: some plugins of keystoneauth1 leave it to Python to tell what is missing.
        raise CredentialsError(f"the credentials cannot be used: {error}") from error


def client_of(region: CloudRegion, *, endpoint: str | None = None, timeout: float = 60.0) -> MetricsClient:
    """The client for a cloud's region.

    Args:
        region: what `region_of` gives.
        endpoint: where to ask instead of where the catalog says.
        timeout: seconds for one answer.
    """
    interface = region.get_interface(SERVICE_TYPE) or "public"
    return MetricsClient(
        region.get_session(),
        interface=interface if isinstance(interface, str) else interface[0],
        region_name=region.get_region_name(SERVICE_TYPE) or None,
        timeout=timeout,
        endpoint_override=endpoint or region.get_endpoint(SERVICE_TYPE),
    )


def _ask(prompt: str | None = None) -> str:
    return getpass.getpass(prompt or "Password: ")
