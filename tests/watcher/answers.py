"""A host, an instance, and what a server in tests answers about them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.fakes.metrics_server import success

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.metrics_server import MetricsServer, Reply, Request

__all__ = ["HOST", "INSTANCE", "answering", "queries", "targets", "vector"]

HOST = SimpleNamespace(uuid="host-1", hostname="a.example")
INSTANCE = SimpleNamespace(uuid="8d2d4e8a-0000-4000-8000-000000000001", vcpus=2, memory=512, disk=2)


def targets(*names: str) -> Reply:
    """An active target for each host."""
    return success({"activeTargets": [{"labels": {"fqdn": name}} for name in names], "droppedTargets": []})


def vector(*series: tuple[str, str, str]) -> Reply:
    """A vector of (label, its value, value)."""
    result = [{"metric": {label: name}, "value": [1.5, value]} for label, name, value in series]
    return success({"resultType": "vector", "result": result})


def answering(reply: Reply, *names: str) -> Callable[[Request], Reply]:
    """Targets for these hosts, and one reply to every query."""
    return lambda request: targets(*names) if request.path.endswith("targets") else reply


def queries(server: MetricsServer) -> list[str]:
    """The queries that it was asked, in order."""
    return [one.parameters["query"] for one in server.requests if one.path.endswith("query")]
