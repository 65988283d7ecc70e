"""One query for all hosts or all instances, and its answer for as long as the strategy runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Protocol

from chrysaetos.client import errors
from chrysaetos.watcher.queries import expression

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chrysaetos.watcher.parts import Part
    from chrysaetos.watcher.queries import Reading

__all__ = ["Bulk", "Measure"]

_TIMEOUTS: Final = 2
"""How many timeouts of one reading are answered with smaller queries. Each takes as long as the server or the
client waits, so it must not go on as it may for an answer that is too large."""


class Measure(Protocol):
    """One series of an answer."""

    labels: Mapping[str, str]
    value: Any


class Bulk:
    """Answers of readings, each asked for once.

    Args:
        ask: sends an instant query and returns its series. What it raises goes through, but for
            `TooLarge` and `Timeout`, which are answered with smaller queries as long as there are any.
        limit: an answer with this many series may have been cut off by the server (its parameter `limit`),
            so it is asked for in smaller parts.

    Attributes:
        queries: how many queries were sent.
    """

    def __init__(self, ask: Callable[[str], Sequence[Measure]], *, limit: int) -> None:
        self._ask = ask
        self._limit = limit
        self._answers: dict[tuple[Reading, str], dict[str, float]] = {}
        self._parts: dict[Part, list[Part]] = {}
        self.queries = 0

    def values(self, reading: Reading, label: str, whole: Part) -> Mapping[str, float]:
        """The values of a reading by resource. Those that are no number (NaN) or infinite are left out.

        Args:
            reading: what to ask.
            label: the label that tells the resources apart.
            whole: all of them. The parts that one reading needed are those that the next starts with.

        Raises:
            MetricsError: a query failed.
        """
        key = (reading, label)
        if key not in self._answers:
            self._answers[key] = self._fetch(reading, label, whole)
        return self._answers[key]

    def _fetch(self, reading: Reading, label: str, whole: Part) -> dict[str, float]:
        waiting = list(reversed(self._parts.get(whole, [whole])))
        answered: list[Part] = []
        values: dict[str, float] = {}
        timeouts = 0
        while waiting:
            part = waiting.pop()
            halves = part.halves()
            try:
                self.queries += 1
                answer = self._ask(expression(reading, label, part.matcher(label)))
            except errors.TooLarge:
                if not halves:
                    raise
            except errors.Timeout:
                timeouts += 1
                if not halves or timeouts > _TIMEOUTS:
                    raise
            else:
                if len(answer) < self._limit or not halves:
                    values |= _numbers(answer, label)
                    answered.append(part)
                    continue
            waiting += reversed(halves)
        self._parts[whole] = answered
        return values


def _numbers(answer: Sequence[Measure], label: str) -> dict[str, float]:
    pairs = ((measure.labels.get(label, ""), float(measure.value)) for measure in answer)
    return {resource: value for resource, value in pairs if math.isfinite(value)}
