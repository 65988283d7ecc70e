"""Connect to a cloud with the credentials that openstacksdk finds in clouds.yaml or the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openstack
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter

from chrysaetos.usage.cloud import Cloud
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openstack.connection import Connection

    from chrysaetos.usage.site import SimpleVMSettings

__all__ = ["adapters", "connect", "open_connection"]

_TIMEOUT = 120
"""Seconds for one API call; Nova takes a few seconds for a page of a thousand servers."""


def open_connection(cloud: str | None) -> Connection:
    """Return a connection with the configured credentials. This sends no request.

    Args:
        cloud: a name in clouds.yaml; None to use the environment.

    Raises:
        UsageError: there are no credentials, or they are incomplete.
    """
    try:
        return openstack.connect(
            cloud=cloud, api_timeout=_TIMEOUT, app_name="chrysaetos-usage", load_yaml_config=True
        )
    except (openstack.exceptions.SDKException, exceptions.ClientException) as error:
        raise UsageError(
            f"no usable credentials: {error}; give --os-cloud, OS_* variables or --openrc", reason="keystone"
        ) from error


def adapters(connection: Connection) -> tuple[Adapter, Adapter]:
    """Return adapters for Keystone and Nova that retry twice after a broken connection, 429 and 503."""
    config = connection.config
    identity, compute = (
        Adapter(
            config.get_session(),
            service_type=service,
            interface=config.get_interface(service),
            region_name=config.get_region_name(service),
            endpoint_override=config.get_endpoint(service),
            connect_retries=2,
            status_code_retries=2,
            retriable_status_codes=[429, 503],
        )
        for service in ("identity", "compute")
    )
    return identity, compute


def connect(
    cloud: str | None,
    *,
    domains: Sequence[str] = (),
    domain_id: str | None = None,
    simple_vm: SimpleVMSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> Cloud:
    """Return a cloud that uses the credentials that openstacksdk finds.

    Args:
        cloud: a name in clouds.yaml; None to use the environment.
        domains: see ``Cloud``.
        domain_id: see ``Cloud``.
        simple_vm: see ``Cloud``.
        progress: see ``Cloud``.

    Raises:
        UsageError: there are no credentials, or they are incomplete.
    """
    connection = open_connection(cloud)
    identity, compute = adapters(connection)
    region = connection.config.get_region_name() or "default region"
    return Cloud(
        identity,
        compute,
        name=f"{connection.config.get_auth_args().get('auth_url', '')} {region}",
        domains=domains,
        domain_id=domain_id,
        simple_vm=simple_vm,
        progress=progress,
    )
