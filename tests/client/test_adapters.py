"""The quick adapter: whose connections it uses, and when it stands back."""

from contextlib import closing

import pytest
import requests
from requests.adapters import HTTPAdapter
from tests.fakes.metrics_server import MetricsServer, Reply, success

from chrysaetos.client.adapters import QuickAdapter
from chrysaetos.client.wire import Wire


def send(adapter, url, **options):
    request = requests.Request("GET", url).prepare()
    return adapter.send(request, **options)


def test_it_uses_the_connections_of_the_other():
    reply = Reply(404, b"{}", {"Content-Type": "application/json", "Set-Cookie": "a=b"})
    with MetricsServer([reply]) as server, closing(HTTPAdapter()) as mounted:
        quick = QuickAdapter.over(mounted, server.url, {})
        assert type(quick) is QuickAdapter
        slow = send(mounted, f"{server.url}/x?a=b")
        assert slow.content == b"{}"
        fast = send(quick, f"{server.url}/x?a=b")
        assert fast.content == b"{}"
        for name in ("status_code", "reason", "url", "encoding", "headers"):
            assert getattr(fast, name) == getattr(slow, name)
        assert not fast.cookies
        assert server.connections == 1
    assert [request.line for request in server.requests] == ["/x?a=b"] * 2


def test_a_pool_that_was_closed_is_looked_up_again():
    with MetricsServer([success(1)]) as server, closing(HTTPAdapter()) as mounted:
        quick = QuickAdapter.over(mounted, server.url, {})
        for _ in range(2):
            assert send(quick, server.url).status_code == 200
            mounted.close()
        assert server.connections == 2


def test_each_server_has_its_own_pool():
    with (
        MetricsServer([success(1)]) as one,
        MetricsServer([success(2)]) as other,
        closing(HTTPAdapter()) as mounted,
    ):
        quick = QuickAdapter.over(mounted, one.url, {})
        assert [send(quick, server.url).json()["data"] for server in (one, other, one)] == [1, 2, 1]
        mounted.close()


@pytest.mark.parametrize("hook", ["send", "build_response", "request_url", "add_headers"])
def test_an_adapter_with_ways_of_its_own_stays(hook):
    own = type("Own", (HTTPAdapter,), {hook: lambda *_, **__: None})()
    assert QuickAdapter.over(own, "http://a", {}) is own


def test_another_kind_of_adapter_stays():
    class Other(requests.adapters.BaseAdapter):
        pass

    other = Other()
    assert QuickAdapter.over(other, "http://a", {}) is other


def test_with_a_proxy_the_other_stays():
    with closing(HTTPAdapter()) as mounted:
        assert QuickAdapter.over(mounted, "http://a", {"http": "http://proxy.example"}) is mounted
        assert QuickAdapter.over(mounted, "https://a", {"http": "http://proxy.example"}) is not mounted


def test_an_adapter_that_is_mounted_later_counts():
    class Own(HTTPAdapter):
        sent = 0

        def send(self, *arguments, **options):
            Own.sent += 1
            return super().send(*arguments, **options)

    with MetricsServer([success(1)]) as server, closing(requests.Session()) as session:
        session.trust_env = False
        wire = Wire(session, {})
        wire.request("GET", server.url + "/x")
        session.mount("http://", Own())
        wire.request("GET", server.url + "/x")
    assert Own.sent == 1
