"""``openstack metric …``: the plugin of openstackclient.

openstackclient imports this at every start, whatever the command: it stays small. The commands are the
entry points of the group ``openstack.chrysaetos.v1``. They share the word ``metric`` with those of
python-observabilityclient, and none of their names.
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
    """The client for the cloud that the openstack command was called for.

    Args:
        instance: openstackclient's client manager.
    """
    from chrysaetos.cli.clouds import client_of  # noqa: PLC0415 - only a command of this plugin needs it

    return client_of(instance.sdk_connection.config)


def build_option_parser(parser: ArgumentParser) -> ArgumentParser:
    """Add nothing to the options of every openstack command: the API has one version."""
    return parser
