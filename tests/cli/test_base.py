"""The base class of the commands."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from chrysaetos.cli.base import MetricsCommand
from chrysaetos.client.errors import BadQuery, Forbidden, MetricsError


class Command(MetricsCommand):
    """Do nothing."""

    def add_arguments(self, parser):
        parser.add_argument("--time")
        parser.add_argument("-v", action="store_true")

    def take_action(self, parsed_args):  # cliff's signature
        return 0


@pytest.fixture
def command():
    app: Any = SimpleNamespace(
        NAME="openstack", stderr=io.StringIO(), client_manager=SimpleNamespace(chrysaetos="client")
    )
    return Command(app, None)


@pytest.mark.parametrize("time", ["-1h", "-0.5", "-.5", "-30m"])
def test_a_time_may_start_with_a_minus(command, time):
    parsed = command.get_parser("openstack metric test").parse_args(["--time", time, "-v"])
    assert (parsed.time, parsed.v) == (time, True)


def test_an_option_is_not_a_time(command, capsys):
    with pytest.raises(SystemExit):
        command.get_parser("openstack metric test").parse_args(["--time", "-v"])
    assert "--time: expected one argument" in capsys.readouterr().err


def test_the_client_comes_from_the_program(command):
    assert command.client == "client"


def test_notes_go_to_standard_error(command):
    command.write_notes("one", "two")
    assert command.app.stderr.getvalue() == "one\ntwo\n"


def test_openstackclient_names_the_plugin_in_the_help(command):
    assert "provided by the chrysaetos plugin" in command.get_parser("openstack metric test").format_help()
    command.app.NAME = "chrysaetos"
    assert "plugin" not in command.get_parser("chrysaetos test").format_help()


@pytest.mark.parametrize(
    "error",
    [Forbidden("a\x1b[31m"), BadQuery("1:1: parse error: a\x1b[31m", query="x")],
    ids=["plain", "position"],
)
def test_a_message_of_the_server_reaches_openstackclient_with_escapes(error, command, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr(command, "take_action", fail)
    with pytest.raises(MetricsError) as caught:
        command.run(command.get_parser("openstack metric test").parse_args([]))
    assert str(caught.value).splitlines()[0].endswith(r"a\x1b[31m")
    assert len(str(caught.value).splitlines()) == (3 if isinstance(error, BadQuery) else 1)
