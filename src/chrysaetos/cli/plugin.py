"""``openstack metric …``: the plugin of openstackclient.

openstackclient imports this module for every command, so it must stay small. The commands are the entry
points of the group ``openstack.chrysaetos.v1``. Like python-observabilityclient's, they begin with
``metric``; no name is in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from chrysaetos.client import MetricsClient

__all__ = [
    "API_NAME",
    "API_VERSIONS",
    "API_VERSION_OPTION",
    "DEFAULT_API_VERSION",
    "build_option_parser",
    "make_client",
]

API_NAME = "chrysaetos"
API_VERSION_OPTION = "os_chrysaetos_api_version"
API_VERSIONS = ("1",)
DEFAULT_API_VERSION = "1"


def make_client(instance: Any) -> MetricsClient:
    """Return a client of the cloud of the openstack command.

    Args:
        instance: openstackclient's client manager.
    """
    from chrysaetos.cli.regions import create_client  # noqa: PLC0415  # only this plugin's commands need it

    return create_client(instance.sdk_connection.config)


def build_option_parser(parser: ArgumentParser) -> ArgumentParser:
    """Return the parser unchanged: there is only one API version to choose."""
    return parser
