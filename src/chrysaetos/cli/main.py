"""The command ``chrysaetos``: its subcommands, each imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chrysaetos import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "parsers"]


@dataclass(frozen=True, slots=True)
class _Command:
    """A subcommand.

    Attributes:
        help: one line on what it does.
        module: where its ``add_arguments(parser)`` and ``run(namespace)`` are; one that reads its arguments
            itself has only ``run(arguments)``.
        extra: the extra that it needs, if the base install does not have what it imports.
        own_arguments: whether it reads its arguments itself.
        shows: the class in the module, where the command is written for cliff: an ``openstack`` command, too.
    """

    help: str
    module: str
    extra: str | None = None
    own_arguments: bool = False
    shows: str | None = None


def _metrics(help: str, module: str, shows: str) -> _Command:  # noqa: A002 - the attribute's name
    return _Command(help, f"chrysaetos.cli.{module}", extra="cli", shows=shows)


_COMMANDS = {
    "query": _metrics("ask for the values of a query at one time", "query", "Instant"),
    "range": _metrics("ask for its values over a time; --plot draws them", "query", "Range"),
    "series": _metrics("list the series that selectors match", "series", "Series"),
    "labels": _metrics("list the names of labels", "series", "Labels"),
    "values": _metrics("list the values of a label", "series", "Values"),
    "metadata": _metrics("list type, unit and help of metrics", "series", "Metadata"),
    "targets": _metrics("list what Prometheus scrapes", "targets", "Targets"),
    "rules": _metrics("list recording and alerting rules", "targets", "Rules"),
    "alerts": _metrics("list the alerts that are pending or firing", "targets", "Alerts"),
    "explain": _metrics("show what the gateway would send for a query, and why", "whoami", "Explain"),
    "whoami": _metrics("show who you are to the gateway, and what you may see", "whoami", "Whoami"),
    "doctor": _metrics("check everything that a query needs, and say what is wrong", "doctor", "Doctor"),
    "demo": _Command(
        "run Keystone, Prometheus, sample tenants and the gateway on this machine",
        "chrysaetos.demo.main",
        extra="demo",
    ),
    "federate": _Command(
        "serve a site's gate for portals, or make and end their tokens",
        "chrysaetos.federation.main",
        extra="gateway",
    ),
    "gateway": _Command(
        "serve the gateway: --config-file FILE, and what oslo.config and oslo.log take",
        "chrysaetos.gateway.main",
        extra="gateway",
        own_arguments=True,
    ),
    "migrate": _Command(
        "move a service's configuration from Prometheus to Aetos, and back",
        "chrysaetos.migrate.main",
        extra="migrate",
    ),
    "usage": _Command(
        "export what each project of a site has used, as Prometheus metrics",
        "chrysaetos.usage.main",
        extra="usage",
        own_arguments=True,
    ),
    "site": _Command(
        "write the files of a site that shows its usage to portals",
        "chrysaetos.federation.site_command",
    ),
    "portal": _Command(
        "keep the Prometheus that collects the usage of sites",
        "chrysaetos.federation.portal_command",
    ),
    "scope": _Command("show a query as the gateway sends it for a project", "chrysaetos.cli.scope"),
    "complete": _Command("print what makes a shell complete all this", "chrysaetos.cli.complete"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its arguments; those of the process when None.

    Returns:
        The exit status: 0, 1 when what was asked for failed, 2 for a mistake in the call or the settings.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    before = _leading_options(arguments)
    arguments = arguments[len(before) :]
    name = arguments[0] if arguments else ""
    command = _COMMANDS.get(name)
    if command is None or (before and command.shows is None):
        _parser()[0].parse_args(before + arguments)
        return 2
    try:
        module: Any = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if command.extra is None or (error.name or "").startswith("chrysaetos"):
            raise
        print(
            f"chrysaetos {name} needs the package {error.name}: pip install 'chrysaetos[{command.extra}]'",
            file=sys.stderr,
        )
        return 2
    if command.own_arguments:
        return int(module.run(arguments[1:]))
    if command.shows is not None:
        console: Any = importlib.import_module("chrysaetos.cli.console")
        return int(console.run(name, getattr(module, command.shows), before + arguments[1:]))
    parser, subparsers = _parser()
    module.add_arguments(subparsers[name])
    return int(module.run(parser.parse_args(arguments)))


def _leading_options(arguments: list[str]) -> list[str]:
    """The options ``--os-…`` in front of the command, where openstackclient has them; each has a value."""
    end = 0
    while end < len(arguments) and arguments[end].startswith("--os-"):
        end += 1 if "=" in arguments[end] else 2
    return arguments[:end]


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The name of each command that can be called here, and a parser with its options.

    One that reads its arguments itself has a parser without any.
    """
    _, known = _parser()
    for name, command in _COMMANDS.items():
        if command.own_arguments:
            continue
        try:
            module: Any = importlib.import_module(command.module)
        except ModuleNotFoundError:
            # Of an extra that is not installed.
            del known[name]
            continue
        if command.shows is not None:
            console: Any = importlib.import_module("chrysaetos.cli.console")
            known[name] = console.parser_of(name, getattr(module, command.shows))
        else:
            module.add_arguments(known[name])
    return known


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of everything, and those of the commands, still without arguments."""
    parser = argparse.ArgumentParser(
        prog="chrysaetos",
        description="Each OpenStack project's own Prometheus metrics, with its Keystone credentials.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    return parser, {
        name: commands.add_parser(name, help=command.help, description=command.help)
        for name, command in _COMMANDS.items()
    }
