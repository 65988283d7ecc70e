"""The client as a whole: arguments, retries, threads, sessions. Tests with real servers are in tests/e2e."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.client.calling import run
from tests.fakes.metrics_server import MetricsServer, aetos, failed, vector
from tests.support import commands

from chrysaetos.client import MetricsClient, errors


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.query("up", datetime(2026, 1, 1)),
        lambda c: c.query("up", timeout=0),
        lambda c: c.query("up", limit=-1),
        lambda c: c.query("up", limit=True),
        lambda c: c.query("up", lookback_delta=0),
        lambda c: c.query_range("up", 5, 4, 1),
        lambda c: c.query_range("up", 4, 5, 0),
        lambda c: c.query_range("up", 4, 5, "5"),
        lambda c: c.query_range("up", 4, 5, 1, split=True, max_points=0),
        lambda c: c.series("up", start="now"),
        lambda c: c.label_values(""),
    ],
)
def test_invalid_arguments_are_rejected_before_a_request_is_sent(call):
    with MetricsServer([vector("1")]) as server, MetricsClient.direct(server.url) as client:
        with pytest.raises(errors.InvalidArgument):
            call(client)
        assert server.requests == []


def test_a_read_is_repeated_while_the_server_is_unavailable():
    busy = failed(503, "unavailable", "later", **{"Retry-After": "0"})
    found, requests = run(
        lambda c: c.query("up"), busy, failed(429, "x", "later", **{"Retry-After": "0"}), vector("1")
    )
    assert len(found) == 1
    assert len(requests) == 3


def test_aetos():
    with MetricsServer(aetos) as server, MetricsClient.direct(server.url) as client:
        assert len(client.query_vector("up")) == 1
        with pytest.raises(errors.BadQuery, match="unclosed left parenthesis"):
            client.query("sum(")
        with pytest.raises(errors.NotSupported, match="no range queries; Aetos does not support them"):
            client.query_range("up", 0, 1, 1)
        for _ in range(2):
            with pytest.raises(errors.TooLarge, match="does not accept POST"):
                client.query("up" + " or up" * 1000)
    assert [request.method for request in server.requests] == ["GET", "GET", "GET", "POST", "GET", "GET"]


def test_a_session_and_an_adapter():
    with MetricsServer([vector("1")]) as server:
        session = Session(auth=Token(f"{server.url}/prefix", "abc"))
        with MetricsClient(session) as client:
            assert client.endpoint == f"{server.url}/prefix"
            assert len(client.query_vector("up")) == 1
        adapter = Adapter(session, service_type="metrics", interface="internal", endpoint_override=server.url)
        assert MetricsClient(adapter).endpoint == server.url
        assert MetricsClient(session, endpoint_override=f"{server.url}/x/").endpoint == f"{server.url}/x"
        session.session.close()
    assert server.requests[0].headers["x-auth-token"] == "abc"


def test_eight_threads_share_a_client():
    with (
        MetricsServer(lambda request: vector(request.parameters["query"])) as server,
        MetricsClient.direct(server.url) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        values = [found[0].value for found in pool.map(lambda n: client.query_vector(str(n)), range(200))]
        assert values == list(range(200))
        assert server.connections <= 8


def test_importing_the_client_loads_no_large_package():
    script = (
        "import sys, chrysaetos.client; "
        "print([name for name in ('requests', 'keystoneauth1', 'urllib3', 'pandas', 'oslo_config', "
        "'chrysaetos.promql.parser') if name in sys.modules])"
    )
    assert commands.run([sys.executable, "-c", script]).out == "[]\n"
