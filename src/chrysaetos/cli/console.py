"""Runs the commands of ``chrysaetos`` that are written for cliff, without cliff's own program.

That would load every command to find one. This loads the one that is called.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from chrysaetos.cli.cells import printable
from chrysaetos.cli.credentials import Connections, add_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cliff.command import Command

__all__ = ["Console", "parser_of", "run"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141
"""128 and the signal, as a shell tells it."""


class Console:
    """What cliff's commands need of the program that runs them.

    Args:
        options: the credentials that were given.
    """

    NAME = "chrysaetos"
    interactive_mode = False

    def __init__(self, options: argparse.Namespace) -> None:
        self.stdin, self.stdout, self.stderr = sys.stdin, sys.stdout, sys.stderr
        self.options = options
        self.client_manager = Connections(options)


def parser_of(name: str, command: type[Command]) -> argparse.ArgumentParser:
    """The parser of a command with all its options."""
    return _prepared(name, command, Console(argparse.Namespace()))[1]


def _prepared(name: str, command: type[Command], console: Console) -> tuple[Command, argparse.ArgumentParser]:
    app: Any = console
    made = command(app, None)
    # Whose plugin it is would be told at the end of the help, after a search through all distributions.
    made.app_dist_name = "chrysaetos"
    parser = made.get_parser(f"{Console.NAME} {name}")
    # The many options for credentials stand in the help; beside each mistake they would bury it.
    usage = parser.format_usage().removeprefix("usage: ").rstrip().replace("%", "%%")
    parser.usage = f"{usage} [credentials]"
    add_options(parser)
    return made, parser


def run(name: str, command: type[Command], arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        name: how it is called.
        command: its class.
        arguments: what stands behind its name.

    Returns:
        The exit status: 0; 1 when what was asked for failed; 2 for a mistake in the call; 130 after Ctrl-C.
    """
    options = argparse.Namespace()
    console = Console(options)
    made, parser = _prepared(name, command, console)
    parser.parse_args(arguments, options)
    _set_up_output(debug=options.debug)
    try:
        status = made.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets one clear line
        if options.debug:
            traceback.print_exc()
        # What a server says is no more trusted than its labels.
        words = "\n".join(map(printable, str(error).splitlines())) or type(error).__name__
        print(f"{Console.NAME} {name}: {words}", file=sys.stderr)
        # What was asked for makes no sense: a column that there is not, an end before the start.
        return 2 if isinstance(error, ValueError) else 1
    finally:
        console.client_manager.close()
    return status


def _set_up_output(*, debug: bool) -> None:
    """Errors are told once, by `run`; libraries' logs are for ``--debug``. Every character can be written."""
    root = logging.getLogger()
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
    elif not root.handlers:
        root.addHandler(logging.NullHandler())
    # Who has said --insecure need not be told so.
    warnings.filterwarnings("ignore", "Unverified HTTPS request")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
