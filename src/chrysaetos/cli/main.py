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

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class _Command:
    """A subcommand.

    Attributes:
        help: one line on what it does.
        module: where its ``add_arguments(parser)`` and ``run(namespace)`` are; one that reads its arguments
            itself has only ``run(arguments)``.
        extra: the extra that it needs, if the base install does not have what it imports.
        own_arguments: whether it reads its arguments itself.
    """

    help: str
    module: str
    extra: str | None = None
    own_arguments: bool = False


_COMMANDS = {
    "demo": _Command(
        "run Keystone, Prometheus, sample tenants and the gateway on this machine",
        "chrysaetos.demo.main",
        extra="demo",
    ),
    "gateway": _Command(
        "serve the gateway: --config-file FILE, and what oslo.config and oslo.log take",
        "chrysaetos.gateway.main",
        extra="gateway",
        own_arguments=True,
    ),
    "usage": _Command(
        "export what each project of a site has used, as Prometheus metrics",
        "chrysaetos.usage.main",
        extra="usage",
        own_arguments=True,
    ),
    "scope": _Command("show a query as the gateway sends it for a project", "chrysaetos.cli.scope"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: its arguments; those of the process when None.

    Returns:
        The exit status: 0, 1 when what was asked for failed, 2 for a mistake in the call or the settings.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="chrysaetos",
        description="Each OpenStack project's own Prometheus metrics, with its Keystone credentials.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    parsers = {
        name: commands.add_parser(name, help=command.help, description=command.help)
        for name, command in _COMMANDS.items()
    }
    name = arguments[0] if arguments else ""
    command = _COMMANDS.get(name)
    if command is None:
        parser.parse_args(arguments)
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
    module.add_arguments(parsers[name])
    return int(module.run(parser.parse_args(arguments)))
