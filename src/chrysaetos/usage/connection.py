"""Connect to a cloud with the credentials that openstacksdk finds in clouds.yaml or the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import openstack
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter

from chrysaetos.auth_url import reject_other_services
from chrysaetos.usage.api import Service
from chrysaetos.usage.projects import AllProjects, OwnProject
from chrysaetos.usage.records import UsageError

if TYPE_CHECKING:
    import argparse

    from openstack.connection import Connection

    from chrysaetos.usage.projects import Projects

__all__ = ["cloud_name", "open_connection", "open_projects", "open_service"]

_SERVICES = {
    "keystone": ("identity", ""),
    "nova": ("compute", ""),
    "cinder": ("block-storage", ""),
    "neutron": ("network", "/v2.0"),
}
"""The type of each service in the catalog, and the path of its API's version if the catalog may lack it."""
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
        connection = openstack.connect(
            cloud=cloud, api_timeout=_TIMEOUT, app_name="chrysaetos-usage", load_yaml_config=True
        )
        reject_other_services(connection.config.get_session())
    except (openstack.exceptions.SDKException, exceptions.ClientException) as error:
        raise UsageError(
            f"no usable credentials: {error}; give --os-cloud, OS_* variables or --openrc", reason="keystone"
        ) from error
    return connection


def open_service(connection: Connection, name: str) -> Service:
    """Return a service. Requests are retried twice after a broken connection, 429 and 503.

    Args:
        connection: the connection.
        name: ``keystone``, ``nova``, ``cinder`` or ``neutron``.
    """
    config = connection.config
    kind, root = _SERVICES[name]
    adapter = Adapter(
        config.get_session(),
        service_type=kind,
        interface=config.get_interface(kind),
        region_name=config.get_region_name(kind),
        endpoint_override=config.get_endpoint(kind),
        connect_retries=2,
        status_code_retries=2,
        retriable_status_codes=[429, 503],
    )
    return Service(adapter, name, root)


def open_projects(connection: Connection, options: argparse.Namespace) -> Projects:
    """Return the projects to export, as the options name them."""
    if options.own_project:
        return OwnProject(connection.config.get_session())
    return AllProjects(open_service(connection, "keystone"), options.domain or (), options.domain_id)


def cloud_name(connection: Connection, *, own_project: bool) -> str:
    """Return the name of the cloud and region, and of what the credentials show of it."""
    config = connection.config
    region = config.get_region_name() or "default region"
    name = f"{config.get_auth_args().get('auth_url', '')} {region}"
    return f"{name}, own project" if own_project else name
