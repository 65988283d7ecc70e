"""Repeat a command, and show the progress of a long one."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from chrysaetos.cli.times import parse_duration, rfc3339
from chrysaetos.client.errors import MetricsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from chrysaetos.cli.base import MetricsCommand

__all__ = ["Progress", "add_watch_option", "clear", "watch"]

_DEFAULT_INTERVAL = 5.0


def add_watch_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--watch``."""
    parser.add_argument(
        "--watch",
        nargs="?",
        const=_DEFAULT_INTERVAL,
        type=_interval,
        metavar="SECONDS",
        help=f"repeat at this interval (default: {_DEFAULT_INTERVAL:g}), until Ctrl-C",
    )


def _interval(text: str) -> float:
    try:
        return parse_duration(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; the query must be before --watch") from error


def watch(
    command: MetricsCommand, parsed_args: argparse.Namespace, run_once: Callable[[argparse.Namespace], int]
) -> int:
    """Run a command once, or repeatedly with ``--watch``.

    After the first success, errors that are retryable are printed and do not end the repetition.

    Args:
        command: the command.
        parsed_args: its arguments.
        run_once: runs the command once, and returns the exit status.

    Returns:
        The exit status of the last run.
    """
    status = run_once(parsed_args)
    while parsed_args.watch is not None:
        command.app.stdout.flush()
        time.sleep(parsed_args.watch)
        try:
            status = run_once(parsed_args)
        except MetricsError as error:
            if not error.retryable:
                raise
            command.write_notes(f"{rfc3339(int(time.time()))} {error.message}")
    return status


def clear(output: TextIO) -> None:
    """Clear a terminal before the next result; do nothing for other streams."""
    output.write("\x1b[H\x1b[J" if output.isatty() else "")


class Progress:
    """Shows the number of finished requests, if the stream is a terminal.

    As a context manager, it erases the line at the end.

    Args:
        output: standard error.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._terminal = output.isatty()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Show the number of finished requests and of all requests."""
        if self._terminal:
            self._shown = True
            self._output.write(f"\r\x1b[K{done} of {total} requests")
            self._output.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._output.write("\r\x1b[K")
            self._output.flush()
