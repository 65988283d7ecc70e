"""What Watcher's `PrometheusBase` asks of its client, by `chrysaetos.client`.

There it is observabilityclient's `PrometheusAPIClient`, of which it uses two methods, `query` and `_get`.
Keeping to them lets the datasources be children of that class, and Watcher's own tests of it run on them.
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
    from chrysaetos.watcher.failures import Place

__all__ = ["Connection", "PrometheusAPIClientError", "RequestFailed"]


class RequestFailed(PrometheusAPIClientError):  # type: ignore[misc]  # observabilityclient is not typed
    """A request failed, for callers that know only Watcher's exceptions.

    Args:
        line: what happened, in one line.
    """

    def __init__(self, line: str) -> None:
        super().__init__(None)
        self.line = line

    def __str__(self) -> str:
        return self.line


class Connection:
    """Requests to one server.

    Args:
        client: sends them; repeats what may be repeated.
        place: names the server in errors.
        limit: the most series that a query may answer with, where the server knows the parameter.
    """

    def __init__(self, client: MetricsClient, place: Place, limit: int) -> None:
        self._client = client
        self._place = place
        self._limit = limit
        self._calls: dict[str, Callable[[], Any]] = {
            "targets?state=active": lambda: client.targets("active"),
            "label/__name__/values": lambda: client.label_values("__name__"),
            "status/runtimeinfo": client.runtimeinfo,
        }

    @property
    def endpoint(self) -> str:
        """The URL that is asked.

        Raises:
            RequestFailed: Keystone does not tell it.
        """
        return str(self._call(lambda: self._client.endpoint))

    def query(self, query: str) -> Vector:
        """An instant query.

        Raises:
            MetricsError: it failed.
        """
        return self._client.query_vector(query, limit=self._limit)

    def query_range(self, query: str, start: datetime, end: datetime, step: float) -> Matrix:
        """A range query, in as many pieces as it takes.

        Raises:
            MetricsError: it failed.
        """
        return self._client.query_range(query, start, end, step, split=True)

    def _get(self, endpoint: str) -> dict[str, Any]:
        """One of the three other requests, by its path behind `/api/v1/`.

        Raises:
            RequestFailed: it failed.
        """
        return {"status": "success", "data": self._call(self._calls[endpoint])}

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except MetricsError as error:
            raise RequestFailed(self._place.line(error)) from error
