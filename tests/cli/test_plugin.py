"""The plugin of openstackclient. Its commands are tested in tests/e2e/test_cli.py."""

import argparse
from importlib.metadata import entry_points

import pytest
from cliff.command import Command

from chrysaetos.cli import plugin

OURS = "openstack.chrysaetos.v1"
THEIRS = "openstack.observabilityclient.v1"


def test_command_names_are_unique():
    ours, theirs = ({point.name for point in entry_points(group=group)} for group in (OURS, THEIRS))
    assert {"metric_instant", "metric_range", "metric_doctor"} <= ours
    assert {"metric_list", "metric_query"} <= theirs
    assert ours.isdisjoint(theirs)


@pytest.mark.parametrize("point", entry_points(group=OURS), ids=lambda point: point.name)
def test_every_command_exists_and_has_a_description(point):
    command = point.load()
    assert issubclass(command, Command)
    assert command.__doc__


def test_the_module_has_the_attributes_of_a_plugin():
    (point,) = (
        point for point in entry_points(group="openstack.cli.extension") if point.name == "chrysaetos"
    )
    assert point.load() is plugin
    assert plugin.DEFAULT_API_VERSION in plugin.API_VERSIONS
    assert f"openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}" == OURS


def test_no_option_is_added_to_every_command():
    parser = argparse.ArgumentParser(add_help=False)
    before = parser.format_help()
    assert plugin.build_option_parser(parser).format_help() == before
