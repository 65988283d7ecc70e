"""Readiness of the gateway, with an upstream of a given status."""

import json

import pytest
from tests.fakes.identity import FakeIdentity

from chrysaetos.errors import Unavailable
from chrysaetos.gateway.own.health import Health
from chrysaetos.http.upstream.response import UpstreamResponse
from chrysaetos.tenancy.paths import find


class Upstream:
    """Responds with one status and counts the requests."""

    def __init__(self, status):
        self.status = status
        self.requests = 0

    async def request(self, method, target, *, timeout, **_options):  # noqa: ASYNC109 - as the pool has it
        assert (method, target) == ("GET", b"/-/ready")
        assert timeout > 0
        self.requests += 1
        if self.status is None:
            raise Unavailable("connection refused")
        return UpstreamResponse(self.status, [], 0, b"", None)

    async def close(self):
        raise NotImplementedError


async def ready(health):
    status, _, body = await health.handle(None, find("GET", "/-/ready").endpoint, "http")
    return status, json.loads(body)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "ok"),
        (404, "ok"),  # an engine with Prometheus' API that does not have this path
        (400, "Prometheus returned 400"),
        (503, "Prometheus returned 503"),
        (None, "Prometheus cannot be reached"),
    ],
)
async def test_readiness_depends_on_the_upstreams_status(status, state):
    health = Health(identity=FakeIdentity({}), upstream=Upstream(status))
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
