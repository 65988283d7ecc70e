"""Readiness of the gateway, with an upstream of a given status."""

import json

import pytest
from tests.fakes.identity import FakeIdentity

from chrysaetos.errors import Unavailable
from chrysaetos.gateway.own.health import Health
from chrysaetos.http.upstream.response import UpstreamResponse
from chrysaetos.tenancy.paths import find_path


class Upstream:
    """Responds with one status, and with another one to queries, and counts the requests."""

    def __init__(self, status, query=None):
        self.statuses = {b"/-/ready": status, b"/api/v1/query?query=1": query}
        self.requests = 0

    async def request(self, method, target, *, timeout, **_options):  # noqa: ASYNC109  # as the pool has it
        assert method == "GET"
        assert timeout > 0
        self.requests += 1
        status = self.statuses[target]
        if status is None:
            raise Unavailable("connection refused")
        return UpstreamResponse(status, [], 0, b"", None)

    async def close(self):
        raise NotImplementedError


async def ready(health):
    status, _, body = await health.handle(find_path("/-/ready").endpoint)
    return status, json.loads(body)


@pytest.mark.parametrize(
    ("status", "query", "state"),
    [
        (200, None, "ok"),
        (404, None, "ok"),  # an engine with Prometheus' API that does not have this path
        (400, 200, "ok"),  # VictoriaMetrics below a path prefix
        (400, 400, "Prometheus returned 400"),
        (400, 503, "Prometheus returned 503"),
        (400, None, "Prometheus cannot be reached"),
        (503, 200, "Prometheus returned 503"),
        (None, 200, "Prometheus cannot be reached"),
    ],
)
async def test_readiness_depends_on_the_upstreams_status(status, query, state):
    health = Health(identity=FakeIdentity({}), upstream=Upstream(status, query))
    ok = state == "ok"
    assert await ready(health) == (
        200 if ok else 503,
        {"ready": ok, "keystone": "ok", "prometheus": state},
    )


async def test_readiness_is_cached_briefly():
    now = [100.0]
    upstream = Upstream(200)
    health = Health(identity=FakeIdentity({}), upstream=upstream, clock=lambda: now[0])
    for elapsed, requests in ((0, 1), (1.9, 1), (0.2, 2)):
        now[0] += elapsed
        await ready(health)
        assert upstream.requests == requests
