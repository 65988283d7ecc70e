"""A host, an instance, and responses about them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from keystoneauth1.token_endpoint import Token
from tests.fakes.metrics_server import success

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.metrics_server import MetricsServer, Reply, Request

__all__ = ["HOST", "INSTANCE", "EmptyCatalog", "answering", "queries", "targets", "vector"]

HOST = SimpleNamespace(uuid="host-1", hostname="a.example")
INSTANCE = SimpleNamespace(uuid="8d2d4e8a-0000-4000-8000-000000000001", vcpus=2, memory=512, disk=2)


def targets(*names: str) -> Reply:
    """Return an active target for each host."""
    return success({"activeTargets": [{"labels": {"fqdn": name}} for name in names], "droppedTargets": []})


def vector(*series: tuple[str, str, str]) -> Reply:
    """Return a vector of (label, label value, value)."""
    result = [{"metric": {label: name}, "value": [1.5, value]} for label, name, value in series]
    return success({"resultType": "vector", "result": result})


def answering(reply: Reply, *names: str) -> Callable[[Request], Reply]:
    """Return the targets of these hosts, and one reply for every query."""
    return lambda request: targets(*names) if request.path.endswith("targets") else reply


def queries(server: MetricsServer) -> list[str]:
    """Return the queries that the server received, in order."""
    return [request.parameters["query"] for request in server.requests if request.path.endswith("query")]


class EmptyCatalog(Token):
    """Credentials of a cloud whose catalog does not have the service."""

    def get_endpoint(self, *_: Any, **__: Any) -> None:
        return None

    def get_endpoint_data(self, *_: Any, **__: Any) -> None:
        return None
