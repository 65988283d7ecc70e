"""From the calls of a client of CloudKitty's to those of ours: parameters, answers, errors, warnings."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oslo_log import log

from chrysaetos.client import Sample, errors, results
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    NotPrivilegedError,
    PrometheusResponseError,
    TooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chrysaetos.client import MetricsClient

__all__ = ["PARTIAL", "RETRIES", "ask", "mapped", "vector"]

_LOG = log.getLogger(__name__)

PARTIAL = (
    "the credentials see a part of the projects only: the user needs a role for which the gateway's "
    "policy grants telemetry:query:all_projects, such as admin or service"
)
RETRIES = 2
"""Tries behind the first, a second and a half together. The next cycle asks again, and while the server is
away each scope waits for this."""

_TIMES = frozenset({"time", "start", "end"})


def ask(client: MetricsClient, endpoint: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Ask `query` or `query_range`.

    Args:
        client: whom to ask.
        endpoint: one of the two.
        params: as Prometheus names them; None for one that is not sent. A time is ISO 8601 with a zone, a
            timeout in seconds.

    Returns:
        Prometheus' JSON. Values are written to their last digit.

    Raises:
        PrometheusResponseError: there is no answer, or it is an error.
        NotPrivilegedError: the gateway has restricted the query to a part of the projects.
    """
    given = {name: _read(name, value) for name, value in params.items() if value is not None}
    with mapped():
        result: results.Result
        if endpoint == "query":
            result = client.query(**given, exact=True)
        else:
            result = client.query_range(**given, exact=True)
    if result.restricted:
        raise NotPrivilegedError(PARTIAL)
    for warning in result.warnings:
        _LOG.warning("Prometheus warns of the query %s: %s", params["query"], warning)
    return {"status": "success", "data": {"resultType": result.type, "result": _json(result)}}


def vector(answer: dict[str, Any], query: str) -> list[dict[str, Any]]:
    """The elements of an answer that has to be a vector.

    Raises:
        PrometheusResponseError: it is none.
    """
    kind = answer["data"]["resultType"]
    if kind != "vector":
        raise PrometheusResponseError(f"the answer is a {kind}, and a vector is needed: {query}")
    elements: list[dict[str, Any]] = answer["data"]["result"]
    return elements


@contextmanager
def mapped() -> Iterator[None]:
    """The client's errors become `PrometheusResponseError`, with what Prometheus or Keystone has said."""
    try:
        yield
    except errors.MetricsError as error:
        message = f"{error.error_type}: {error.message}" if error.error_type else error.message
        too_much = isinstance(error, errors.TooLarge | errors.Timeout)
        raise (TooLargeError if too_much else PrometheusResponseError)(message) from error


def _read(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in _TIMES:
        return datetime.fromisoformat(value)
    return float(value) if name == "timeout" else value


def _json(result: results.Result) -> list[Any]:
    if isinstance(result, results.Vector):
        return [{"metric": one.labels, **_value(one)} for one in result]
    if isinstance(result, results.Matrix):
        return [
            {"metric": one.labels, "values": [[time, str(value)] for time, value in one.points]}
            for one in result
        ]
    return [result.time, str(result.value)]


def _value(sample: Sample) -> dict[str, Any]:
    """The value of a sample; a native histogram has none."""
    return {} if sample.value is None else {"value": [sample.time, str(sample.value)]}
