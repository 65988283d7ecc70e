"""Translate calls of CloudKitty's clients to ``chrysaetos.client``: parameters, results, errors, warnings."""

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

__all__ = ["NOT_PRIVILEGED", "RETRIES", "convert_errors", "require_vector", "send"]

_LOG = log.getLogger(__name__)

NOT_PRIVILEGED = (
    "the credentials do not have access to all projects: the user needs a role to which the gateway's policy "
    "grants telemetry:query:all_projects, such as admin or service"
)

RETRIES = 2
"""Retries after the first attempt, which take 1.5 seconds together. The next cycle tries again, and while the
server is down, each scope waits for the retries."""

_TIMES = frozenset({"time", "start", "end"})


def send(client: MetricsClient, endpoint: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Send a query.

    Args:
        client: the client.
        endpoint: ``query`` or ``query_range``.
        params: the parameters by Prometheus' names; None for a parameter that is not sent. Times are in
            ISO 8601 with a zone, the timeout is in seconds.

    Returns:
        Prometheus' JSON, with all digits of the values.

    Raises:
        PrometheusResponseError: there is no response, or it is an error.
        NotPrivilegedError: the gateway has restricted the query to some projects.
    """
    arguments = {name: _read(name, value) for name, value in params.items() if value is not None}
    with convert_errors():
        result: results.Result
        if endpoint == "query":
            result = client.query(**arguments, exact=True)
        else:
            result = client.query_range(**arguments, exact=True)
    if result.restricted:
        raise NotPrivilegedError(NOT_PRIVILEGED)
    for warning in result.warnings:
        _LOG.warning("Warning of Prometheus for the query %s: %s", params["query"], warning)
    return {"status": "success", "data": {"resultType": result.type, "result": _json(result)}}


def require_vector(response: dict[str, Any], query: str) -> list[dict[str, Any]]:
    """Return the elements of a result that has to be a vector.

    Raises:
        PrometheusResponseError: the result has another type.
    """
    kind = response["data"]["resultType"]
    if kind != "vector":
        raise PrometheusResponseError(f"expected a vector, got a {kind}: {query}")
    elements: list[dict[str, Any]] = response["data"]["result"]
    return elements


@contextmanager
def convert_errors() -> Iterator[None]:
    """Convert errors of the client to ``PrometheusResponseError`` with the message of the server."""
    try:
        yield
    except errors.MetricsError as error:
        message = f"{error.error_type}: {error.message}" if error.error_type else error.message
        too_large = isinstance(error, errors.TooLarge | errors.Timeout)
        raise (TooLargeError if too_large else PrometheusResponseError)(message) from error


def _read(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in _TIMES:
        return datetime.fromisoformat(value)
    return float(value) if name == "timeout" else value


def _json(result: results.Result) -> list[Any]:
    if isinstance(result, results.Vector):
        return [{"metric": sample.labels, **_value(sample)} for sample in result]
    if isinstance(result, results.Matrix):
        return [
            {"metric": series.labels, "values": [[time, str(value)] for time, value in series.points]}
            for series in result
        ]
    return [result.time, str(result.value)]


def _value(sample: Sample) -> dict[str, Any]:
    """Return the value of a sample; empty for a native histogram."""
    return {} if sample.value is None else {"value": [sample.time, str(sample.value)]}
