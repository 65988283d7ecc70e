"""The engines' own parsers, as a program that parses many texts fast: see ``go_parsers/main.go``."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GoParsers", "Reading", "Readings"]


class Reading(NamedTuple):
    """The result of parsing a text.

    Attributes:
        selectors: the matchers of each vector selector: name, operator, value.
        infos: the number of arguments of each call of ``info()``.
    """

    selectors: list[list[tuple[str, str, str]]]
    infos: list[int]


class Readings(NamedTuple):
    """The different results of parsing a text with all options of a parser; none if it is rejected."""

    prometheus: list[Reading]
    victoria_metrics: list[Reading]


class GoParsers:
    """The running program; a context manager.

    Args:
        program: its path.
    """

    def __init__(self, program: str) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> GoParsers:
        return self

    def __exit__(self, *_: object) -> None:
        # This closes the pipes, which ends the program, and waits for its exit.
        self._process.__exit__(None, None, None)

    def read(self, texts: Sequence[str]) -> list[Readings]:
        """Return the readings of each text."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        lines = [text.encode("utf-8", "surrogatepass").hex() for text in texts]
        self._process.stdin.write("".join(f"{line}\n" for line in (len(lines), *lines)).encode())
        self._process.stdin.flush()
        answers = (json.loads(self._process.stdout.readline()) for _ in lines)
        return [
            Readings(**{name: list(map(_reading, each)) for name, each in one.items()}) for one in answers
        ]


def _reading(fields: dict[str, Any]) -> Reading:
    return Reading([[tuple(matcher) for matcher in one] for one in fields["selectors"]], fields["infos"])
