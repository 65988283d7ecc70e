"""Run the commands of ``chrysaetos`` that are cliff classes, without ``cliff.app``.

``cliff.app`` loads every command to find one; this loads only the command that is run.
"""

from __future__ import annotations

import argparse
import io
import logging
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.cells import printable
from chrysaetos.cli.credentials import ClientManager, add_options
from chrysaetos.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cliff.command import Command

__all__ = ["create_parser", "run"]


class _Console:
    """The program that runs cliff's commands, as far as they use it.

    Args:
        options: the credentials.
    """

    NAME = "chrysaetos"
    interactive_mode = False

    def __init__(self, options: argparse.Namespace) -> None:
        self.stdin, self.stdout, self.stderr = sys.stdin, sys.stdout, sys.stderr
        self.options = options
        self.client_manager = ClientManager(options)


def create_parser(name: str, command: type[Command]) -> argparse.ArgumentParser:
    """Return the parser of a command with all its options.

    Args:
        name: the command's name.
        command: the command's class.
    """
    return _create_command(name, command, _Console(argparse.Namespace()))[1]


def _create_command(
    name: str, command: type[Command], console: _Console
) -> tuple[Command, argparse.ArgumentParser]:
    app: Any = console
    created = command(app, None)
    parser = created.get_parser(f"{_Console.NAME} {name}")
    # The many options for credentials are in the help; in the usage line they would hide the error.
    usage = parser.format_usage().removeprefix("usage: ").rstrip().replace("%", "%%")
    parser.usage = f"{usage} [credentials]"
    add_options(parser)
    return created, parser


def run(name: str, command: type[Command], arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        name: the command's name.
        command: the command's class.
        arguments: the arguments after the name.

    Returns:
        The exit status: 0 for success, 1 for a failure, 2 for invalid arguments.

    Raises:
        BrokenPipeError: the reader of standard output has gone.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    options = argparse.Namespace()
    console = _Console(options)
    created, parser = _create_command(name, command, console)
    parser.parse_args(arguments, options)
    _set_up_output(debug=options.debug)
    try:
        status = created.run(options)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # every error is shown as one line
        if options.debug:
            traceback.print_exc()
        # Messages of a server are untrusted, like its labels.
        message = "\n".join(map(printable, str(error).splitlines())) or type(error).__name__
        print(f"{_Console.NAME} {name}: {message}", file=sys.stderr)
        # Invalid arguments: an unknown column, an end before the start, an invalid file.
        return 2 if isinstance(error, (ConfigError, ValueError)) else 1
    finally:
        console.client_manager.close()
    return status


def _set_up_output(*, debug: bool) -> None:
    """Log only with ``--debug``, since ``run`` prints the error; escape characters that cannot be encoded."""
    root = logging.getLogger()
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
    elif not root.handlers:
        root.addHandler(logging.NullHandler())
    # The user chose --insecure.
    warnings.filterwarnings("ignore", "Unverified HTTPS request")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
