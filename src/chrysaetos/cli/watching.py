"""Repeating a command, and telling how far a long one is."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from chrysaetos.cli.cells import printable
from chrysaetos.cli.times import duration, rfc3339
from chrysaetos.client.errors import MetricsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

__all__ = ["Progress", "add_watch", "clear", "watch"]

_SECONDS = 5.0


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Declare ``--watch``."""
    parser.add_argument(
        "--watch",
        nargs="?",
        const=_SECONDS,
        type=_interval,
        metavar="SECONDS",
        help=f"ask again every so many seconds ({_SECONDS:g} unless told), until Ctrl-C",
    )


def _interval(text: str) -> float:
    try:
        return duration(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; a query stands before --watch") from error


def watch(every: float | None, once: Callable[[], int], output: TextIO, errors: TextIO) -> int:
    """Do something once, or again and again.

    An error that another try may mend is told and does not end it, once there was an answer.

    Args:
        every: seconds from one start to the next; None: once.
        once: what to do; gives the exit status.
        output: what it writes to; a reader of a pipe or file sees each answer when it is there.
        errors: where such errors are told.
    """
    status = once()
    while every is not None:
        output.flush()
        time.sleep(every)
        try:
            status = once()
        except MetricsError as error:
            if not error.retryable:
                raise
            errors.write(f"{rfc3339(int(time.time()))} {printable(error.message)}\n")
    return status


def clear(output: TextIO) -> None:
    """Make room for the next answer: on a terminal in the place of the last one."""
    output.write("\x1b[H\x1b[J" if output.isatty() else "")


class Progress:
    """Tells on a terminal how many parts of an answer are there, and nothing elsewhere.

    As a context manager it leaves no trace.

    Args:
        output: standard error.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._terminal = output.isatty()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Tell that so many parts of so many are there."""
        if self._terminal:
            self._shown = True
            self._output.write(f"\r\x1b[K{done} of {total} parts")
            self._output.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._output.write("\r\x1b[K")
            self._output.flush()
