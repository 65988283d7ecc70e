"""Weights: how much an hour of a server counts, depending on the server's size.

A weight set applies to all servers launched after its time and before the time of the next set. Within a set,
a server has the weight of the smallest size that is not below the server's size. A server larger than all
sizes has the weight of the largest size.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

from chrysaetos.numeric import is_number
from chrysaetos.usage.records import UsageError

__all__ = ["UNWEIGHTED", "WeightSet", "Weights", "parse_steps"]

_FORM = "a list of {resource_set_timestamp, memory_mb: [{value, weight}], vcpus: [{value, weight}]}"


class _Steps:
    """The weight of each size.

    Args:
        steps: the weight of each size; if empty, every weight is 1.
    """

    __slots__ = ("_sizes", "_weights")

    def __init__(self, steps: Mapping[float, float]) -> None:
        self._sizes = sorted(steps)
        self._weights = [steps[size] for size in self._sizes]

    def __call__(self, size: float) -> float:
        if not self._sizes:
            return 1.0
        return self._weights[min(bisect_left(self._sizes, size), len(self._sizes) - 1)]


class WeightSet:
    """The weights of servers launched since a time.

    Args:
        since: seconds since the epoch.
        vcpus: weight of each number of virtual CPUs.
        memory_mb: weight of each size of memory in MB.
    """

    __slots__ = ("memory_mb", "since", "vcpus")

    def __init__(self, since: float, vcpus: Mapping[float, float], memory_mb: Mapping[float, float]) -> None:
        self.since = since
        self.vcpus = _Steps(vcpus)
        self.memory_mb = _Steps(memory_mb)


_ALL_ONE = WeightSet(-math.inf, {}, {})


class Weights:
    """All weight sets of a site.

    Args:
        sets: the weight sets in any order. If two have the same time, the last one is used.
    """

    __slots__ = ("_sets", "_times")

    def __init__(self, sets: Sequence[WeightSet] = ()) -> None:
        by_time = {weight_set.since: weight_set for weight_set in sets}
        self._times = sorted(by_time)
        self._sets = [by_time[time] for time in self._times]

    @classmethod
    def parse(cls, document: object) -> Weights:
        """Parse the response of a weights endpoint, or the content of ``weights`` in a file.

        Args:
            document: a list of ``{resource_set_timestamp, memory_mb, vcpus}``, the last two lists of
                ``{value, weight}``.

        Raises:
            UsageError: the document has another form, or contains an invalid number.
        """
        if not isinstance(document, list):
            raise UsageError(f"the weights are not {_FORM}", reason="weights")
        return cls([_weight_set(number, entry) for number, entry in enumerate(document, 1)])

    def at(self, started_at: float) -> WeightSet:
        """Return the weight set of a launch time, in seconds since the epoch.

        Before the first set, every weight is 1.
        """
        index = bisect_right(self._times, started_at)
        return self._sets[index - 1] if index else _ALL_ONE


UNWEIGHTED = Weights()
"""Every weight is 1."""


def _weight_set(number: int, document: object) -> WeightSet:
    where = f"weight set {number}"
    since = _field(where, document, "resource_set_timestamp")
    steps = []
    for resource in ("vcpus", "memory_mb"):
        entries = _field(where, document, resource)
        if not isinstance(entries, list):
            raise UsageError(f"{where}: {resource} is not a list of {{value, weight}}")
        place = f"{where}: {resource}"
        pairs = [(_field(place, entry, "value"), _field(place, entry, "weight")) for entry in entries]
        steps.append(parse_steps(place, pairs))
    return WeightSet(_number(where, "resource_set_timestamp", since), *steps)


def parse_steps(where: str, pairs: Iterable[tuple[object, object]]) -> dict[float, float]:
    """Return the weight of each size.

    Args:
        where: what names the weights in errors.
        pairs: each size and its weight.

    Raises:
        UsageError: a size or a weight is not a finite number of at least 0.
    """
    return {_number(where, "value", size): _number(where, "weight", weight) for size, weight in pairs}


def _field(where: str, document: object, name: str) -> object:
    if not isinstance(document, Mapping) or name not in document:
        raise UsageError(f"{where}: {name} is missing; weights are {_FORM}")
    return document[name]


def _number(where: str, name: str, value: object) -> float:
    if not is_number(value) or value < 0:
        raise UsageError(f"{where}: {name} is {value!r}, expected a number of at least 0")
    return float(value)
