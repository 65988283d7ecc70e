"""The queries of alarms: each is sent once in an evaluation interval, restricted to its project."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chrysaetos.client.errors import (
    MetricsError,
    NotRegistered,
    Timeout,
    Unauthorized,
    UnexpectedResult,
    Unreachable,
)
from chrysaetos.client.results import Scalar, Vector
from chrysaetos.lru import Lru

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from chrysaetos.client import MetricsClient

__all__ = ["Queries"]

_MAX_QUERIES = 100_000
_MAX_NUMBERS = 1_000_000
"""Maximum of numbers and errors that are kept."""

_FOR_ALL = (Unreachable, NotRegistered, Unauthorized)
"""Errors that every query would meet."""


class Queries:
    """Evaluates queries, and keeps each result for a time.

    An evaluator handles one alarm after the other. So after an error that costs time, the queries that would
    meet it again fail at once: all of them if the gateway or Keystone cannot be reached, and those of the
    project if its query took too long or its response was cut off, as one that is too long is.

    Args:
        client: the client; its user may see all projects.
        unrestricted: the projects whose queries see the series of all projects.
        seconds: how long results are kept.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        client: MetricsClient,
        *,
        unrestricted: Collection[str],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._unrestricted = frozenset(unrestricted)
        self._seconds = seconds
        self._clock = clock
        self._results: Lru[tuple[str, str], tuple[float, list[float] | MetricsError]] = Lru(
            _MAX_QUERIES, weigh=_weigh, max_weight=_MAX_NUMBERS
        )
        self._failed: dict[str | None, tuple[float, MetricsError]] = {}

    def values(self, project_id: str, query: str) -> list[float]:
        """Return the values of a query's result, in the order of the response.

        Args:
            project_id: the project that the alarm belongs to.
            query: PromQL.

        Raises:
            UnexpectedResult: the result has no numbers to compare: a string, a matrix, or native histograms.
            MetricsError: the query failed.
        """
        now = self._clock()
        known = self._results.get((project_id, query))
        if known is None or known[0] <= now:
            known = (now + self._seconds, self._ask(project_id, query, now))
            self._results.put((project_id, query), known)
        if isinstance(known[1], MetricsError):
            raise known[1]
        return known[1]

    def _ask(self, project_id: str, query: str, now: float) -> list[float] | MetricsError:
        for affected in (None, project_id):
            until, error = self._failed.get(affected, (now, None))
            if error is not None and now < until:
                return error
        self._failed = {each: failed for each, failed in self._failed.items() if now < failed[0]}
        try:
            client = self._client
            if project_id not in self._unrestricted:
                client = client.for_project(project_id)
            return _numbers(client.query(query), query)
        except MetricsError as error:
            if isinstance(error, (*_FOR_ALL, Timeout)):
                own = isinstance(error, Timeout) or (isinstance(error, Unreachable) and error.responding)
                affected = project_id if own else None
                self._failed[affected] = (self._clock() + self._seconds, error)
            return error


def _numbers(result: object, query: str) -> list[float]:
    if isinstance(result, Scalar):
        return [float(result.value)]
    if isinstance(result, Vector):
        values = [float(sample.value) for sample in result if sample.value is not None]
        if len(values) == len(result):
            return values
        raise UnexpectedResult("native histograms cannot be compared with a threshold", query=query)
    raise UnexpectedResult("the result is neither a vector nor a scalar", query=query)


def _weigh(_key: tuple[str, str], entry: tuple[float, list[float] | MetricsError]) -> int:
    return 1 + (len(entry[1]) if isinstance(entry[1], list) else 0)
