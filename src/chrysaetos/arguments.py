"""Types of command-line arguments, for ``argparse``, and an option that commands share."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PORT", "POSITIVE", "SECONDS", "add_format", "config_value", "number"]

N = TypeVar("N", int, float)


def number(
    kind: type[N], minimum: float, maximum: float = math.inf, *, exclusive: bool = False
) -> Callable[[str], N]:
    """Return a function that parses an argument as a finite number within bounds.

    Args:
        kind: ``int`` or ``float``.
        minimum: the minimum.
        maximum: the maximum; infinite for none.
        exclusive: whether the minimum itself is out of bounds.
    """

    def parse(text: str) -> N:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if (
            value is None
            or not minimum <= value <= maximum
            or value == math.inf
            or (exclusive and value == minimum)
        ):
            name = "an integer" if kind is int else "a number"
            bounds = f"greater than {minimum:g}" if exclusive else f"of at least {minimum:g}"
            if maximum < math.inf:
                bounds = f"from {minimum:g} to {maximum:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not {name} {bounds}")
        return value

    return parse


PORT = number(int, 0, 65535)
POSITIVE = number(int, 1)
SECONDS = number(float, 0, exclusive=True)


def config_value(text: str) -> str:
    """Return an argument that oslo.config reads unchanged from a file: one line without quotes or references.

    Raises:
        argparse.ArgumentTypeError: the text is another one.
    """
    if not text or not text.isprintable() or text != text.strip() or "$" in text or text[0] in "'\"":
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a value of an option: one line, without quotes, $, or spaces around it"
        )
    return text


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option for the format of findings: ``table`` or ``json``."""
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "json"),
        default="table",
        help="the output format (default: %(default)s)",
    )
