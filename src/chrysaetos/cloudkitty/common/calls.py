"""Send the queries of CloudKitty's clients; convert results, errors and warnings."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oslo_log import log

from chrysaetos.client import Sample, Vector, errors
from chrysaetos.cloudkitty.common.prometheus_client_base import (
    NotPrivilegedError,
    PrometheusResponseError,
    TooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.client import MetricsClient

__all__ = ["NOT_PRIVILEGED", "RETRIES", "convert_errors", "send"]

_LOG = log.getLogger(__name__)

NOT_PRIVILEGED = (
    "the credentials do not have access to all projects: the user needs a role to which the gateway's policy "
    "grants telemetry:query:all_projects, such as admin or service"
)

RETRIES = 2
"""Retries after the first attempt, which take 1.5 seconds together. The next cycle tries again, and while the
server is down, each scope waits for the retries."""


def send(
    client: MetricsClient,
    query: str,
    time: str | None = None,
    timeout: str | None = None,
    *,
    server_timeout: bool = True,
) -> dict[str, Any]:
    """Send an instant query whose result is a vector; see ``PrometheusClientBase.get_instant``.

    Returns:
        Prometheus' JSON, with all digits of the values.

    Raises:
        PrometheusResponseError: there is no response, or it is an error, or not a vector.
        NotPrivilegedError: the gateway has restricted the query to some projects.
    """
    when = None if time is None else datetime.fromisoformat(time)
    with convert_errors():
        seconds = None if timeout is None else float(timeout)
        result = client.query(query, when, timeout=seconds, exact=True, server_timeout=server_timeout)
    if result.restricted:
        raise NotPrivilegedError(NOT_PRIVILEGED)
    for warning in result.warnings:
        _LOG.warning("Warning of Prometheus for the query %s: %s", query, warning)
    if not isinstance(result, Vector):
        raise PrometheusResponseError(f"expected a vector, got a {result.type}: {query}")
    elements = [{"metric": sample.labels, **_value(sample)} for sample in result]
    return {"status": "success", "data": {"resultType": "vector", "result": elements}}


@contextmanager
def convert_errors() -> Iterator[None]:
    """Convert errors of the client to ``PrometheusResponseError`` with the message of the server."""
    try:
        yield
    except errors.MetricsError as error:
        message = f"{error.error_type}: {error.message}" if error.error_type else error.message
        too_large = isinstance(error, errors.TooLarge | errors.Timeout)
        raise (TooLargeError if too_large else PrometheusResponseError)(message) from error


def _value(sample: Sample) -> dict[str, Any]:
    """Return the value of a sample; empty for a native histogram."""
    return {} if sample.value is None else {"value": [sample.time, str(sample.value)]}
