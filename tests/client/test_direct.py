"""The direct transport, over real connections."""

import base64
import gzip
import json
import socket
import ssl
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import trustme
from tests.fakes.metrics_server import MetricsServer, Reply, success, vector

from chrysaetos.client import errors
from chrysaetos.client.direct import DirectTransport
from chrysaetos.client.transport import Request


def failure(transport, **options):
    with closing(transport), pytest.raises(errors.MetricsError) as caught:
        transport.send(Request("GET", "/api/v1/query?query=up"), **options)
    return caught.value


def test_a_get_and_a_post():
    with (
        MetricsServer([success(1)]) as server,
        closing(DirectTransport(f"{server.url}/prefix/")) as transport,
    ):
        answer = transport.send(Request("GET", "/api/v1/query?query=a%20b", compressed=False))
        transport.send(Request("POST", "/api/v1/query", form="query=%C3%A9"))
        transport.send(Request("POST", "/api/v1/admin"))
    assert (answer.status, json.loads(answer.body)["data"]) == (200, 1)
    assert answer.url == f"{server.url}/prefix/api/v1/query"
    assert answer.headers["content-type"] == "application/json"
    get, post, empty = server.requests
    assert (get.method, get.path, get.pairs) == ("GET", "/prefix/api/v1/query", [("query", "a b")])
    assert (get.headers["accept"], get.headers["accept-encoding"]) == ("application/json", "identity")
    assert (post.method, post.pairs) == ("POST", [("query", "é")])
    assert post.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "gzip" in post.headers["accept-encoding"]
    assert empty.headers["content-length"] == "0"
    assert server.connections == 1


def test_a_compressed_response():
    reply = Reply(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    with MetricsServer([reply]) as server, closing(DirectTransport(server.url)) as transport:
        assert transport.send(Request("GET", "/")).body == b"{}"


@pytest.mark.parametrize(
    ("options", "authorization"),
    [
        ({"username": "ü", "password": "p:w"}, "Basic " + base64.b64encode("ü:p:w".encode()).decode()),
        ({"token": "abc"}, "Bearer abc"),
        ({}, None),
    ],
)
def test_credentials(options, authorization):
    with (
        MetricsServer([success(1)]) as server,
        closing(DirectTransport(server.url, headers={"X-Scope": "a"}, **options)) as transport,
    ):
        transport.send(Request("GET", "/"))
    assert server.requests[0].headers.get("authorization") == authorization
    assert server.requests[0].headers["x-scope"] == "a"


def test_credentials_in_the_url_are_sent_but_not_shown():
    with MetricsServer([success(1)]) as server:
        url = server.url.replace("http://", "http://user:s%40cret@")
        with closing(DirectTransport(url)) as transport:
            assert "cret" not in transport.endpoint()
            assert "cret" not in transport.send(Request("GET", "/")).url
    expected = "Basic " + base64.b64encode(b"user:s@cret").decode()
    assert server.requests[0].headers["authorization"] == expected


def test_netrc_is_ignored(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        MetricsServer([success(1)]) as server,
        closing(DirectTransport(server.url, token="mine")) as transport,
    ):
        transport.send(Request("GET", "/"))
    assert server.requests[0].headers["authorization"] == "Bearer mine"


def test_a_redirect_is_not_followed():
    with (
        MetricsServer([Reply(302, b"", {"Location": "/elsewhere"})]) as server,
        closing(DirectTransport(server.url)) as transport,
    ):
        assert transport.send(Request("GET", "/")).status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://a", "a:9090", "", "http://", "http://[::1", "/path", "http://a:99999", 5]
)
def test_an_invalid_url_is_rejected(url):
    with pytest.raises(errors.InvalidArgument, match="URL"):
        DirectTransport(url)


def test_two_kinds_of_credentials_are_rejected():
    with pytest.raises(errors.InvalidArgument, match="pass either a user and password, or a token"):
        DirectTransport("http://a", username="u", token="t")


def test_connection_refused():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        error = failure(DirectTransport(url))
    assert type(error) is errors.Unreachable
    assert error.retryable
    assert error.message == f"the request to the server at {url}/api/v1/query failed: Connection refused"
    assert error.url == f"{url}/api/v1/query"


def test_an_unknown_host_is_a_permanent_failure():
    error = failure(DirectTransport("http://nobody.invalid"))
    assert type(error) is errors.Unreachable
    assert not error.retryable


def test_a_server_that_does_not_respond():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failure(DirectTransport(f"http://127.0.0.1:{silent.getsockname()[1]}"), timeout=0.1)
    assert type(error) is errors.Timeout
    assert error.message.endswith("did not respond within 0.1 s")


def test_a_response_that_is_cut_off():
    with MetricsServer([Reply(body=b"x" * 1000, cut=10)]) as server:
        error = failure(DirectTransport(server.url))
    assert type(error) is errors.Unreachable
    assert error.retryable
    assert error.message.endswith("the connection was closed before the end of the response")


def test_a_connection_closed_without_a_response():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_without_response():
            connection, _ = listener.accept()
            connection.recv(10_000)
            connection.close()

        thread = threading.Thread(target=close_without_response)
        thread.start()
        error = failure(DirectTransport(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()
    assert type(error) is errors.Unreachable
    assert error.retryable


def test_invalid_content_coding():
    reply = Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"})
    with MetricsServer([reply]) as server:
        error = failure(DirectTransport(server.url))
    assert type(error) is errors.Unreachable


@pytest.mark.parametrize(
    "options",
    [
        {"token": "secret\nsecret"},
        {"token": "secret\u20ac"},
        {"headers": {"X-Auth-Token": " secret"}},
        {"headers": {"secret:": "a"}},
        {"headers": {"X-Auth-Token": 5}},
    ],
)
def test_an_invalid_header_is_rejected_and_not_shown(options):
    with MetricsServer([success(1)]) as server:
        error = failure(DirectTransport(server.url, **options))
    assert type(error) is errors.InvalidArgument
    assert error.message == f"cannot send a request to {server.url}/api/v1/query: a header is invalid"
    assert "secret" not in "".join(traceback.format_exception(error))
    assert server.requests == []


def test_credentials_with_a_surrogate_are_rejected():
    with pytest.raises(errors.InvalidArgument, match="user and password must be UTF-8"):
        DirectTransport("http://a", username="u", password="\udcff")


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_ca_passed_as_verify(authority, tls, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with MetricsServer([success(1)], tls) as server:
        with closing(DirectTransport(server.url, verify=str(tmp_path / "ca.pem"))) as transport:
            assert transport.send(Request("GET", "/")).status == 200
        error = failure(DirectTransport(server.url))
        assert type(error) is errors.Unreachable
        assert not error.retryable
        assert "the certificate of the server at" in error.message
        assert "--os-cacert, OS_CACERT, or verify" in error.message
        error = failure(DirectTransport(server.url, verify=str(tmp_path / "none.pem")))
        assert type(error) is errors.Unreachable
        assert not error.retryable
        assert "none.pem" in error.message


def test_a_ca_from_the_environment(authority, tls, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with MetricsServer([success(1)], tls) as server, closing(DirectTransport(server.url)) as transport:
        assert transport.send(Request("GET", "/")).status == 200


def test_https_to_a_plain_http_port():
    with MetricsServer([success(1)]) as server:
        error = failure(DirectTransport(server.url.replace("http:", "https:")))
    assert type(error) is errors.Unreachable
    assert not error.retryable
    assert "check that the port is right and speaks https" in error.message


def test_eight_threads_share_a_transport():
    with (
        MetricsServer(lambda request: vector(request.parameters["n"])) as server,
        closing(DirectTransport(server.url)) as transport,
        ThreadPoolExecutor(8) as pool,
    ):
        bodies = list(pool.map(lambda n: transport.send(Request("GET", f"/x?n={n}")).body, range(200)))
        assert [json.loads(body)["data"]["result"][0]["value"][1] for body in bodies] == list(
            map(str, range(200))
        )
        assert server.connections <= 8
