"""Instant and range queries."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from chrysaetos.client.calls import API, Calls
from chrysaetos.client.errors import InvalidArgument, NotPrometheus, UnexpectedResult
from chrysaetos.client.parameters import check_integer, limit_parameter, time_parameter
from chrysaetos.client.range_splitting import merge, resolve_range_functions, split_range
from chrysaetos.client.responses import truncate
from chrysaetos.client.results import Matrix, Scalar, String, Vector
from chrysaetos.client.series_checks import InvalidSeries, check_matrix, check_vector
from chrysaetos.client.times import duration_milliseconds, milliseconds, seconds_text

if TYPE_CHECKING:
    from chrysaetos.client.requester import Parameters
    from chrysaetos.client.responses import Payload
    from chrysaetos.client.results import Result
    from chrysaetos.client.samples import Number
    from chrysaetos.client.times import Duration, Time

__all__ = ["QueryCalls"]

_MAX_POINTS = 11_000
"""Points of a series in one range query; Prometheus rejects more."""

_SERVER_TIMEOUT_RATIO = 0.95
"""The share of the time limit that is sent to the server, so that its timeout error arrives in time."""

Progress = Callable[[int, int], object]


class QueryCalls(Calls):
    """The endpoints ``query`` and ``query_range``."""

    def query(
        self,
        query: str,
        time: Time | None = None,
        *,
        timeout: float | None = None,
        limit: int | None = None,
        lookback_delta: Duration | None = None,
        exact: bool = False,
        server_timeout: bool = True,
    ) -> Result:
        """Evaluate an instant query.

        Args:
            query: PromQL.
            time: the evaluation time; the server's current time when None.
            timeout: seconds, instead of the client's.
            limit: the maximum number of series.
            lookback_delta: the maximum age of a sample.
            exact: return numbers as ``Decimal``, with all digits, instead of ``float``.
            server_timeout: also send the time limit to the server.

        Raises:
            MetricsError: the call failed.
        """
        options = self._query_options(timeout, limit, lookback_delta, server_timeout=server_timeout)
        parameters = [("query", query), *time_parameter("time", time), *options]
        payload = self._requester.read(
            f"{API}/query", parameters, query=query, timeout=timeout, form=True, compressed=False
        )
        return _result(payload, query, Decimal if exact else float, limit)

    def query_vector(self, query: str, time: Time | None = None, **options: Any) -> Vector:
        """Evaluate an instant query whose result is a vector.

        Args:
            query: PromQL.
            time: the evaluation time; the server's current time when None.
            options: further arguments of ``query``.

        Raises:
            UnexpectedResult: the result has another type.
            MetricsError: the call failed.
        """
        result = self.query(query, time, **options)
        if not isinstance(result, Vector):
            raise UnexpectedResult(f"expected a vector, got a {result.type}", query=query)
        return result

    def query_range(
        self,
        query: str,
        start: Time,
        end: Time,
        step: Duration,
        *,
        timeout: float | None = None,
        limit: int | None = None,
        lookback_delta: Duration | None = None,
        exact: bool = False,
        split: bool = False,
        max_points: int = _MAX_POINTS,
        progress: Progress | None = None,
    ) -> Matrix:
        """Evaluate a query at each step of a range.

        Args:
            query: PromQL.
            start: the first evaluation time.
            end: the upper bound of the evaluation times.
            step: the interval between evaluations.
            timeout: seconds for each request, instead of the client's; also sent to the server.
            limit: the maximum number of series.
            lookback_delta: the maximum age of a sample.
            exact: return numbers as ``Decimal``, with all digits, instead of ``float``.
            split: send a request for each ``max_points`` evaluation times and merge the results; the merged
                result equals that of a single query.
            max_points: the maximum number of evaluation times in a request.
            progress: called after each request with the number of finished requests and of all requests.

        Raises:
            MetricsError: the call failed.
        """
        first, last, interval = _range(start, end, step)
        options = self._query_options(timeout, limit, lookback_delta)
        number = Decimal if exact else float
        if split:
            check_integer("max_points", max_points, 1)
        ranges = list(split_range(first, last, interval, max_points)) if split else [(first, last)]
        text = resolve_range_functions(query, first, last) if len(ranges) > 1 else query
        parts: list[Matrix] = []
        for part_start, part_end in ranges:
            parameters = [
                ("query", text),
                ("start", seconds_text(part_start)),
                ("end", seconds_text(part_end)),
                ("step", seconds_text(interval)),
                *options,
            ]
            payload = self._requester.read(
                f"{API}/query_range", parameters, query=text, timeout=timeout, form=True
            )
            part = _result(payload, text, number, limit if len(ranges) == 1 else None)
            if not isinstance(part, Matrix):
                raise UnexpectedResult(f"expected a matrix, got a {part.type}", query=text)
            parts.append(part)
            if progress is not None:
                progress(len(parts), len(ranges))
        if len(parts) == 1:
            return parts[0]
        return merge(parts, number, limit)

    def _query_options(
        self,
        timeout: float | None,
        limit: int | None,
        lookback_delta: Duration | None,
        *,
        server_timeout: bool = True,
    ) -> Parameters:
        seconds = self._requester.time_limit(timeout)
        parameters: Parameters = []
        if seconds is not None and server_timeout:
            parameters.append(("timeout", f"{max(1, int(seconds * _SERVER_TIMEOUT_RATIO * 1000))}ms"))
        if lookback_delta is not None:
            length = duration_milliseconds(lookback_delta, "lookback_delta")
            parameters.append(("lookback_delta", seconds_text(length)))
        return parameters + limit_parameter(limit)


def _result(payload: Payload, query: str, number: Number, limit: int | None) -> Result:
    result = _decoded(payload, query, number, limit)
    result.restricted = payload.restricted
    return result


def _decoded(payload: Payload, query: str, number: Number, limit: int | None) -> Result:
    data = payload.data
    try:
        kind, raw = data["resultType"], data["result"]
        if kind == "vector":
            check_vector(raw, number)
            return Vector(truncate(raw, limit, payload.warnings), number, payload.warnings, payload.infos)
        if kind == "matrix":
            check_matrix(raw, number)
            return Matrix(truncate(raw, limit, payload.warnings), number, payload.warnings, payload.infos)
        if kind == "scalar":
            return Scalar(raw, number, payload.warnings, payload.infos)
        if kind == "string":
            return String(raw, payload.warnings, payload.infos)
    except InvalidSeries as error:
        raise NotPrometheus(f"invalid {kind} in the response: {error}", status=200, query=query) from error
    except (TypeError, KeyError, IndexError, ArithmeticError, ValueError) as error:
        raise NotPrometheus(
            "the response does not contain a query result", status=200, query=query
        ) from error
    raise NotPrometheus(f"unknown result type: {kind!r}", status=200, query=query)


def _range(start: Time, end: Time, step: Duration) -> tuple[int, int, int]:
    first, last = milliseconds(start, "start"), milliseconds(end, "end")
    if last < first:
        raise InvalidArgument(f"the end of the range, {end!r}, is before its start, {start!r}")
    return first, last, duration_milliseconds(step, "step")
