"""The client interface of collectors and fetchers, and its exceptions."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oslo_log import log

from chrysaetos.client import Sample, Vector, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chrysaetos.client import MetricsClient

__all__ = [
    "NOT_PRIVILEGED",
    "RETRIES",
    "NotPrivilegedError",
    "PrometheusClientBase",
    "PrometheusResponseError",
    "TooLargeError",
    "convert_errors",
]

_LOG = log.getLogger(__name__)

NOT_PRIVILEGED = (
    "the credentials do not have access to all projects: the user needs a role to which the gateway's policy "
    "grants telemetry:query:all_projects, such as admin or service"
)

RETRIES = 2
"""Retries after the first attempt, which take 1.5 seconds together. The next cycle tries again, and while the
server is down, each scope waits for the retries."""


class PrometheusResponseError(Exception):
    """There is no usable response. The message is that of Prometheus, if there is one."""


class TooLargeError(PrometheusResponseError):
    """The query or its result was too large; a smaller query may succeed."""


class NotPrivilegedError(PrometheusResponseError):
    """The result is incomplete, because the credentials do not have access to all projects.

    Such a result must never be rated: the missing series would count as no usage.
    """


class PrometheusClientBase:
    """A client of Prometheus' HTTP API. A subclass sets ``_client``."""

    _client: MetricsClient

    def get_instant(
        self,
        query: str,
        time: str | None = None,
        timeout: str | None = None,
        *,
        server_timeout: bool = True,
    ) -> dict[str, Any]:
        """Send an instant query.

        Args:
            query: PromQL whose result is a vector.
            time: the evaluation time in ISO 8601 with a zone; now when None.
            timeout: the time limit of this query in seconds; the client's when None.
            server_timeout: also send the time limit to Prometheus.

        Returns:
            Prometheus' JSON, ``{"status": "success", "data": {"resultType": "vector", "result": […]}}``, with
            all digits of the values.

        Raises:
            PrometheusResponseError: there is no response, or it is an error, or not a vector.
            NotPrivilegedError: the gateway has restricted the query to some projects.
        """
        when = None if time is None else datetime.fromisoformat(time)
        seconds = None if timeout is None else float(timeout)
        client = self._client
        with convert_errors():
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
