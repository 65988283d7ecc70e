"""What collectors and fetchers ask of a client, and what they get when it fails."""

from __future__ import annotations

import abc
from typing import Any

__all__ = ["NotPrivilegedError", "PrometheusClientBase", "PrometheusResponseError", "TooLargeError"]


class PrometheusResponseError(Exception):
    """There is no usable answer. The message is Prometheus' own where there is one."""


class TooLargeError(PrometheusResponseError):
    """The query was too much for one answer; one that asks for less may succeed."""


class NotPrivilegedError(PrometheusResponseError):
    """The answer is not complete: the credentials see one project only.

    What such credentials do not see must never count as "nothing was used".
    """


class PrometheusClientBase(abc.ABC):
    """A client of Prometheus' HTTP API."""

    INSTANT_QUERY_ENDPOINT = "query"
    RANGE_QUERY_ENDPOINT = "query_range"

    @abc.abstractmethod
    def _get(self, endpoint: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask one endpoint.

        Args:
            endpoint: `query` or `query_range`.
            params: its parameters; None for one that is not sent.

        Returns:
            Prometheus' JSON.

        Raises:
            PrometheusResponseError: there is no answer, or it is an error.
        """

    @abc.abstractmethod
    def get_instant(self, query: str, time: str | None = None, timeout: str | None = None) -> dict[str, Any]:
        """Send an instant query.

        Args:
            query: PromQL that gives a vector.
            time: ISO 8601 with a zone; now when None.
            timeout: for this query, in seconds; the client's when None.

        Returns:
            Prometheus' JSON: `{"status": "success", "data": {"resultType": "vector", "result": […]}}`.

        Raises:
            PrometheusResponseError: there is no answer, or it is an error, or no vector.
        """
