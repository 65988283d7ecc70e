"""The command ``chrysaetos``: its subcommands, each imported when it is called."""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chrysaetos import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["command_names", "main", "parser_of", "parsers"]

_INTERRUPTED, _BROKEN_PIPE = 130, 141
"""128 plus the number of the signal, as in a shell."""

_GARBAGE_THRESHOLD = 20_000
"""Objects that are created and not freed before the garbage collector runs.

Imports create many objects and leave hardly any garbage. With Python's default of 700, a sixth of the time in
which the gateway is imported goes into collections.
"""


@dataclass(frozen=True, slots=True)
class _Command:
    """A subcommand.

    Attributes:
        help: one line of help.
        module: the module with the functions ``add_arguments(parser)`` and ``run(namespace)``, or
            ``parser()`` and ``run(arguments)`` if the command parses its arguments itself.
        extra: the extra to install, None if the base install is enough.
        own_arguments: whether the command parses its arguments itself.
        cliff_class: the command's class in the module, if it is also an ``openstack`` command.
    """

    help: str
    module: str
    extra: str | None = None
    own_arguments: bool = False
    cliff_class: str | None = None


def _metrics(help: str, module: str, cliff_class: str) -> _Command:  # noqa: A002  # argparse's own word
    return _Command(help, f"chrysaetos.cli.{module}", extra="cli", cliff_class=cliff_class)


_COMMANDS = {
    "top": _metrics("show the servers by their use of CPU, memory, network and disks", "top", "Top"),
    "query": _metrics("evaluate a query at one time", "query", "Instant"),
    "range": _metrics("evaluate a query over a range of time; --plot draws the result", "query", "Range"),
    "series": _metrics("list the series that selectors match", "series", "Series"),
    "labels": _metrics("list the names of labels", "series", "Labels"),
    "values": _metrics("list the values of a label", "series", "Values"),
    "metadata": _metrics("list type, unit and help of metrics", "series", "Metadata"),
    "targets": _metrics("list scrape targets", "targets", "Targets"),
    "rules": _metrics("list recording and alerting rules", "targets", "Rules"),
    "alerts": _metrics("list the alerts that are pending or firing", "targets", "Alerts"),
    "explain": _metrics("show the query that the gateway sends upstream, and why", "whoami", "Explain"),
    "whoami": _metrics("show your identity and access as the gateway sees them", "whoami", "Whoami"),
    "doctor": _metrics("check the requirements of a query, and give advice", "doctor", "Doctor"),
    "grafana": _metrics("create a Grafana data source and dashboards of your project", "grafana", "Grafana"),
    "demo": _Command(
        "run Keystone, Prometheus, sample tenants and the gateway on this machine",
        "chrysaetos.demo.main",
        extra="demo",
    ),
    "federate": _Command(
        "serve a site's gate for portals, or manage their tokens",
        "chrysaetos.federation.main",
        extra="gateway",
    ),
    "gateway": _Command(
        "serve the gateway: --config-file FILE, and the options of oslo.config and oslo.log",
        "chrysaetos.gateway.main",
        extra="gateway",
        own_arguments=True,
    ),
    "gateway init": _Command(
        "write the files of a gateway: configuration, policy, systemd units, load balancer, monitoring",
        "chrysaetos.install.init",
        extra="gateway",
    ),
    "gateway check": _Command(
        "check the gateway's configuration, Keystone, Prometheus, the policy and permissions",
        "chrysaetos.install.check.command",
        extra="gateway",
    ),
    "migrate": _Command(
        "move a service's configuration from Prometheus to Aetos, and back",
        "chrysaetos.migrate.main",
        extra="migrate",
    ),
    "usage": _Command(
        "export the usage of a site's projects as Prometheus metrics",
        "chrysaetos.usage.main",
        extra="usage",
        own_arguments=True,
    ),
    "usage credits": _Command(
        "show the credits of projects, or grant credits",
        "chrysaetos.usage.credits_command",
        extra="usage",
        own_arguments=True,
    ),
    "site": _Command(
        "write the files of a site that exports its usage to portals",
        "chrysaetos.federation.site_command",
    ),
    "portal": _Command(
        "manage a Prometheus that collects the usage of sites",
        "chrysaetos.federation.portal_command",
    ),
    "scope": _Command("show a query as the gateway sends it for a project", "chrysaetos.cli.scope"),
    "complete": _Command("print a shell completion script", "chrysaetos.cli.complete"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments; those of the process when None.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 for invalid arguments or configuration, 130 after
        Ctrl-C, 141 if the reader of standard output has gone, such as ``head``.
    """
    _open_missing_streams()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            # cliff closes it if nobody reads a help text.
            if not sys.stdout.closed:
                sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return _BROKEN_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _discard_output()
        print(f"chrysaetos: {error}", file=sys.stderr)
        return 1


def _open_missing_streams() -> None:
    """Open the null device for the standard streams that the caller has closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _discard_output() -> None:
    """Discard what is left of standard output. At exit, Python would flush it, and print an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    if arguments[:1] in ([], ["help"]):
        arguments = [*arguments[1:], "--help"]
    leading = _leading_options(arguments)
    arguments = arguments[len(leading) :]
    words = 2 if " ".join(arguments[:2]) in _COMMANDS else 1
    name = " ".join(arguments[:words])
    command = _COMMANDS.get(name)
    if command is None:
        return _reject_command(arguments)
    if leading and command.cliff_class is None:
        _parser()[0].error(f"{leading[0]} is not an option of {name}, which does not read metrics")
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
        return int(module.run(arguments[words:]))
    if command.cliff_class is not None:
        console: Any = importlib.import_module("chrysaetos.cli.console")
        return int(console.run(name, getattr(module, command.cliff_class), leading + arguments[words:]))
    parser, subparsers = _parser()
    module.add_arguments(subparsers[name])
    return int(module.run(parser.parse_args([name, *arguments[words:]])))


def _reject_command(arguments: list[str]) -> int:
    """Show help, version, or why there is no such command; return the exit status."""
    if not arguments or arguments[0].startswith("-"):
        _parser()[0].parse_args(arguments)
        return 2
    difflib = importlib.import_module("difflib")  # which a known command need not import
    close = "".join(difflib.get_close_matches(arguments[0], _COMMANDS, n=1))
    hint = f"did you mean {close}?" if close else "chrysaetos help lists the commands"
    print(f"chrysaetos: unknown command {arguments[0]}: {hint}", file=sys.stderr)
    return 2


def _leading_options(arguments: list[str]) -> list[str]:
    """Return the options ``--os-…`` before the command, as openstackclient allows; each has a value."""
    end = 0
    while end < len(arguments) and arguments[end].startswith("--os-"):
        end += 1 if "=" in arguments[end] else 2
    return arguments[:end]


def command_names() -> list[str]:
    """Return the names of all commands; some have two words."""
    return list(_COMMANDS)


def parser_of(name: str) -> argparse.ArgumentParser | None:
    """Return the parser of a command; None if its extra is not installed."""
    command = _COMMANDS[name]
    try:
        module: Any = importlib.import_module(command.module)
    except ModuleNotFoundError:
        return None
    if command.own_arguments:
        own: argparse.ArgumentParser = module.parser()
        return own
    if command.cliff_class is not None:
        console: Any = importlib.import_module("chrysaetos.cli.console")
        shared: argparse.ArgumentParser = console.create_parser(name, getattr(module, command.cliff_class))
        return shared
    parser = _parser()[1][name]
    module.add_arguments(parser)
    return parser


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each installed command by name."""
    found = {name: parser_of(name) for name in _COMMANDS}
    return {name: parser for name, parser in found.items() if parser is not None}


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the main parser, and the parsers of the commands by name, without arguments."""
    parser = argparse.ArgumentParser(
        prog="chrysaetos",
        description="Prometheus metrics of your OpenStack project, with your Keystone credentials.",
        epilog="chrysaetos help COMMAND shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    return parser, {
        name: commands.add_parser(name, help=command.help, description=command.help)
        for name, command in _COMMANDS.items()
    }
