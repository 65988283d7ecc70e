"""The client interface that Watcher's ``PrometheusBase`` uses, implemented with ``chrysaetos.client``.

There Watcher uses observabilityclient's ``PrometheusAPIClient``, with its methods ``query`` and ``_get``.
With the same methods, the datasources can be subclasses of ``PrometheusBase`` and pass Watcher's tests.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from observabilityclient.prometheus_client import PrometheusAPIClientError

from chrysaetos.client.errors import MetricsError, NotPrometheus
from chrysaetos.client.results import Matrix, Vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chrysaetos.client import MetricsClient
    from chrysaetos.watcher.failures import Endpoint

__all__ = ["Connection", "PrometheusAPIClientError", "RequestFailed"]

_LOG = logging.getLogger(__name__)

R = TypeVar("R", Vector, Matrix)


class RequestFailed(PrometheusAPIClientError):  # type: ignore[misc]  # observabilityclient is not typed
    """A request failed; an exception that Watcher's code handles.

    Args:
        line: the message, in one line.
    """

    def __init__(self, line: str) -> None:
        super().__init__(None)
        self.line = line

    def __str__(self) -> str:
        return self.line


class Connection:
    """Sends requests to one server.

    Args:
        client: the client.
        endpoint: the server, for error messages.
        limit: the maximum number of series in the result of a query, if the server supports the parameter.
    """

    def __init__(self, client: MetricsClient, endpoint: Endpoint, limit: int) -> None:
        self._client = client
        self._endpoint = endpoint
        self._limit = limit
        self._calls: dict[str, Callable[[], Any]] = {
            "targets?state=active": lambda: _checked_targets(client.targets("active")),
            "label/__name__/values": lambda: client.label_values("__name__"),
            "status/runtimeinfo": client.runtimeinfo,
        }

    @property
    def endpoint(self) -> str:
        """The URL of the metrics service.

        Raises:
            RequestFailed: the URL cannot be looked up in Keystone.
        """
        return str(self._call(lambda: self._client.endpoint))

    def query(self, query: str) -> Vector:
        """Evaluate an instant query.

        Raises:
            MetricsError: the query failed.
        """
        return self._with_warnings_logged(self._client.query_vector(query, limit=self._limit))

    def query_range(self, query: str, start: datetime, end: datetime, step: float) -> Matrix:
        """Evaluate a range query, split into several requests if necessary.

        Raises:
            MetricsError: the query failed.
        """
        return self._with_warnings_logged(self._client.query_range(query, start, end, step, split=True))

    def _with_warnings_logged(self, result: R) -> R:
        for warning in result.warnings:
            _LOG.warning("Warning of Prometheus: %s", warning)
        return result

    def _get(self, endpoint: str) -> dict[str, Any]:
        """Send one of the other three requests, given by its path below ``/api/v1/``.

        Raises:
            RequestFailed: the request failed.
        """
        return {"status": "success", "data": self._call(self._calls[endpoint])}

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except MetricsError as error:
            raise RequestFailed(self._endpoint.error_message(error)) from error


def _checked_targets(data: dict[str, Any]) -> dict[str, Any]:
    """Return the targets unchanged.

    Raises:
        NotPrometheus: they are not a list of objects with labels.
    """
    targets = data.get("activeTargets")
    if not isinstance(targets, list) or not all(
        isinstance(target, dict) and isinstance(target.get("labels", {}), dict) for target in targets
    ):
        raise NotPrometheus("the response does not contain a list of active targets", status=200)
    return data
