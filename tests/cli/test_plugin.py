"""The plugin of openstackclient. Its commands are tested in tests/e2e/test_cli.py."""

import argparse
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cliff.command import Command
from tests.fakes.keystone import FakeKeystone
from tests.support import commands

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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", ["", "/v3"])
def test_an_auth_url_that_requires_credentials(path):
    """openstackclient logs in before the command runs; it would wait for a lock of keystoneauth1."""
    keystone = FakeKeystone()
    keystone.status = 401
    login = {"USERNAME": "a", "PASSWORD": "b", "USER_DOMAIN_ID": "default", "AUTH_URL": keystone.url + path}
    environment = {**os.environ, **{f"OS_{name}": value for name, value in login.items()}}
    program = Path(sys.executable).with_name("openstack")
    try:
        output = commands.run([program, "metric", "whoami"], env=environment, timeout=30)
    finally:
        keystone.stop()
    assert output.status == 1
    assert ("the auth URL requires credentials" if path == "" else "HTTP 401") in output.err
