"""Asking one address, over real connections."""

import base64
import gzip
import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import trustme
from tests.fakes.metrics_server import MetricsServer, Reply, success, vector

from chrysaetos.client import errors
from chrysaetos.client.direct import DirectTransport


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def refusal(transport, **options):
    with closing(transport), pytest.raises(errors.MetricsError) as caught:
        transport.send("GET", "/api/v1/query?query=up", **options)
    return caught.value


def test_a_get_and_a_post():
    with (
        MetricsServer([success(1)]) as server,
        closing(DirectTransport(f"{server.url}/prefix/")) as transport,
    ):
        answer = transport.send("GET", "/api/v1/query?query=a%20b", identity=True)
        transport.send("POST", "/api/v1/query", form="query=%C3%A9")
        transport.send("POST", "/api/v1/admin")
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


def test_an_answer_with_content_coding():
    reply = Reply(body=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    with MetricsServer([reply]) as server, closing(DirectTransport(server.url)) as transport:
        assert transport.send("GET", "/").body == b"{}"


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
        transport.send("GET", "/")
    assert server.requests[0].headers.get("authorization") == authorization
    assert server.requests[0].headers["x-scope"] == "a"


def test_credentials_in_the_url_are_sent_and_never_shown():
    with MetricsServer([success(1)]) as server:
        url = server.url.replace("http://", "http://user:s%40cret@")
        with closing(DirectTransport(url)) as transport:
            assert "cret" not in transport.endpoint()
            assert "cret" not in transport.send("GET", "/").url
    expected = "Basic " + base64.b64encode(b"user:s@cret").decode()
    assert server.requests[0].headers["authorization"] == expected


def test_netrc_does_not_interfere(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        MetricsServer([success(1)]) as server,
        closing(DirectTransport(server.url, token="mine")) as transport,
    ):
        transport.send("GET", "/")
    assert server.requests[0].headers["authorization"] == "Bearer mine"


def test_a_redirect_is_not_followed():
    with (
        MetricsServer([Reply(302, b"", {"Location": "/elsewhere"})]) as server,
        closing(DirectTransport(server.url)) as transport,
    ):
        assert transport.send("GET", "/").status == 302
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["ftp://a", "a:9090", "", "http://", "http://[::1", "/path"])
def test_what_is_no_url(url):
    with pytest.raises(errors.InvalidArgument, match="URL"):
        DirectTransport(url)


def test_two_kinds_of_credentials_are_refused():
    with pytest.raises(errors.InvalidArgument, match="either a user and password, or a token"):
        DirectTransport("http://a", username="u", token="t")


def test_nobody_listens():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        error = refusal(DirectTransport(url))
    assert type(error) is errors.Unreachable
    assert error.retryable
    assert error.message == f"the server at {url}/api/v1/query cannot be reached: Connection refused"
    assert error.url == f"{url}/api/v1/query"


def test_a_name_that_nobody_knows():
    error = refusal(DirectTransport("http://nobody.invalid"))
    assert type(error) is errors.Unreachable
    assert not error.retryable


def test_nothing_comes():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refusal(DirectTransport(f"http://127.0.0.1:{silent.getsockname()[1]}"), timeout=0.1)
    assert type(error) is errors.Timeout
    assert error.message.endswith("did not answer within 0.1 s")


def test_a_connection_that_breaks_in_the_middle():
    with MetricsServer([Reply(body=b"x" * 1000, cut=10)]) as server:
        error = refusal(DirectTransport(server.url))
    assert type(error) is errors.Unreachable
    assert error.retryable
    assert error.message.endswith("the connection broke before the end of the answer")


def test_a_connection_that_ends_without_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            connection, _ = listener.accept()
            connection.recv(10_000)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        error = refusal(DirectTransport(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()
    assert type(error) is errors.Unreachable
    assert error.retryable


def test_content_coding_that_is_broken():
    reply = Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"})
    with MetricsServer([reply]) as server:
        error = refusal(DirectTransport(server.url))
    assert type(error) is errors.Unreachable


def test_a_header_that_cannot_be_sent():
    with MetricsServer([success(1)]) as server:
        error = refusal(DirectTransport(server.url, token="a\nb"))
    assert isinstance(error, errors.MetricsError)
    assert "a\nb" not in error.message
    assert server.requests == []


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_ca_of_its_own(authority, tls, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with MetricsServer([success(1)], tls) as server:
        with closing(DirectTransport(server.url, verify=str(tmp_path / "ca.pem"))) as transport:
            assert transport.send("GET", "/").status == 200
        error = refusal(DirectTransport(server.url))
        assert type(error) is errors.Unreachable
        assert not error.retryable
        assert "has a certificate that is not trusted" in error.message
        assert "name its CA" in error.message
        error = refusal(DirectTransport(server.url, verify=str(tmp_path / "none.pem")))
        assert type(error) is errors.Unreachable
        assert not error.retryable
        assert "none.pem" in error.message


def test_a_ca_that_the_environment_names(authority, tls, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with MetricsServer([success(1)], tls) as server, closing(DirectTransport(server.url)) as transport:
        assert transport.send("GET", "/").status == 200


def test_https_where_there_is_none():
    with MetricsServer([success(1)]) as server:
        error = refusal(DirectTransport(server.url.replace("http:", "https:")))
    assert type(error) is errors.Unreachable
    assert not error.retryable
    assert "is it https" in error.message


def test_eight_threads_share_it():
    with (
        MetricsServer(lambda request: vector(request.parameters["n"])) as server,
        closing(DirectTransport(server.url)) as transport,
        ThreadPoolExecutor(8) as pool,
    ):
        bodies = list(pool.map(lambda n: transport.send("GET", f"/x?n={n}").body, range(200)))
        assert [json.loads(body)["data"]["result"][0]["value"][1] for body in bodies] == list(
            map(str, range(200))
        )
        assert server.connections <= 8
