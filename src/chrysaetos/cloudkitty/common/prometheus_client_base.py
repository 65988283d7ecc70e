"""The client interface of collectors and fetchers, and its exceptions."""

from __future__ import annotations

import abc
from typing import Any

__all__ = ["NotPrivilegedError", "PrometheusClientBase", "PrometheusResponseError", "TooLargeError"]


class PrometheusResponseError(Exception):
    """There is no usable response. The message is that of Prometheus, if there is one."""


class TooLargeError(PrometheusResponseError):
    """The query or its result was too large; a smaller query may succeed."""


class NotPrivilegedError(PrometheusResponseError):
    """The result is incomplete, because the credentials do not have access to all projects.

    Such a result must never be rated: the missing series would count as no usage.
    """


class PrometheusClientBase(abc.ABC):
    """A client of Prometheus' HTTP API."""

    @abc.abstractmethod
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
            Prometheus' JSON: ``{"status": "success", "data": {"resultType": "vector", "result": […]}}``.

        Raises:
            PrometheusResponseError: there is no response, or it is an error, or not a vector.
        """
