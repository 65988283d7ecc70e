"""The client interface that Watcher's ``PrometheusBase`` uses, implemented with ``chrysaetos.client``.

There Watcher uses observabilityclient's ``PrometheusAPIClient``, with its methods ``query`` and ``_get``.
With the same methods, the datasources can be subclasses of ``PrometheusBase`` and pass Watcher's tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from observabilityclient.prometheus_client import PrometheusAPIClientError

from chrysaetos.client.errors import MetricsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from chrysaetos.client import MetricsClient
    from chrysaetos.client.results import Matrix, Vector
    from chrysaetos.watcher.failures import Endpoint

__all__ = ["Connection", "PrometheusAPIClientError", "RequestFailed"]


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
        self._target = endpoint
        self._limit = limit
        self._calls: dict[str, Callable[[], Any]] = {
            "targets?state=active": lambda: client.targets("active"),
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
        return self._client.query_vector(query, limit=self._limit)

    def query_range(self, query: str, start: datetime, end: datetime, step: float) -> Matrix:
        """Evaluate a range query, split into several requests if necessary.

        Raises:
            MetricsError: the query failed.
        """
        return self._client.query_range(query, start, end, step, split=True)

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
            raise RequestFailed(self._target.error_message(error)) from error
