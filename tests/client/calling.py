"""Run calls of the client on a server with given replies."""

from tests.fakes.metrics_server import MetricsServer, success

from chrysaetos.client import MetricsClient

__all__ = ["result", "run"]


def run(call, *replies):
    """Return the result of a call, and the requests that it sent."""
    with MetricsServer(list(replies)) as server, MetricsClient.direct(server.url) as client:
        return call(client), server.requests


def result(kind, raw, **annotations):
    """Return the reply to a query."""
    return success({"resultType": kind, "result": raw}, **annotations)
