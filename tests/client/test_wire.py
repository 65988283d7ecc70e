"""What exceptions mean, and what is read from the environment. The rest is in the transports' tests."""

import socket
import ssl
from contextlib import closing

import pytest
import requests
import urllib3.exceptions
from tests.fakes.metrics_server import MetricsServer, Reply, success

from chrysaetos.client import errors
from chrysaetos.client.wire import Wire, failure, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://user:secret@a:1/b?query=c#d", "http://a:1/b"),
        ("https://[::1]:9090/x/", "https://[::1]:9090/x/"),
        ("http://us@er:p@a", "http://a"),
    ],
)
def test_a_url_is_shown_without_secrets(url, expected):
    assert shown(url) == expected


def untrusted():
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return requests.exceptions.SSLError(urllib3.exceptions.SSLError(error))


def refused():
    pool = urllib3.HTTPConnectionPool("a", 1)
    below = urllib3.exceptions.NewConnectionError(pool, "no")
    below.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/?secret=1", below))


@pytest.mark.parametrize(
    ("error", "kind", "message", "retryable"),
    [
        (
            untrusted(),
            errors.Unreachable,
            "has a certificate that is not trusted: self-signed certificate",
            False,
        ),
        (requests.exceptions.SSLError("WRONG_VERSION"), errors.Unreachable, "no TLS with the server", False),
        (refused(), errors.Unreachable, "cannot be reached: Connection refused", True),
        (requests.ReadTimeout("x"), errors.Timeout, "did not answer within 5 s", True),
        (TimeoutError(), errors.Timeout, "did not answer within 5 s", True),
        (
            socket.gaierror(-2, "Name or service not known"),
            errors.Unreachable,
            "Name or service not known",
            False,
        ),
        (FileNotFoundError(2, "No such file"), errors.Unreachable, "No such file", False),
        (requests.exceptions.ProxyError("x"), errors.Unreachable, "x", True),
        (
            requests.exceptions.InvalidURL("x"),
            errors.InvalidArgument,
            "no URL that can be asked: http://a/b",
            False,
        ),
        (ConnectionResetError(104, "Connection reset by peer"), errors.Unreachable, "reset by peer", True),
        (
            requests.ConnectionError(
                urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionError())
            ),
            errors.Unreachable,
            "Connection aborted",
            True,
        ),
    ],
)
def test_what_an_exception_means(error, kind, message, retryable):
    found = failure(error, "http://u:p@a/b?secret=1", "the server", 5)
    assert type(found) is kind
    assert message in found.message
    assert found.url == "http://a/b"
    assert found.retryable is retryable
    assert "secret" not in str(found)


def test_without_a_time_limit():
    assert failure(requests.Timeout(), "http://a", "Keystone", None).message.endswith(
        "did not answer in time"
    )


def test_the_environment_is_read_once(monkeypatch):
    calls = []
    read = requests.Session.merge_environment_settings

    def counting(*arguments):
        calls.append(arguments[1])
        return read(*arguments)

    monkeypatch.setattr(requests.Session, "merge_environment_settings", counting)
    monkeypatch.setenv("no_proxy", "*")
    settings = {}
    with MetricsServer([success(1)]) as server, closing(requests.Session()) as session:
        for path in ("/a", "/b?c=d"):
            wire = Wire(session, settings)
            wire.request("GET", server.url + path)
            assert wire.body == success(1).body
            assert wire.url == server.url + path
    assert calls == [f"{server.url}/a"]


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with MetricsServer([success(1)]) as proxy, closing(requests.Session()) as session:
        monkeypatch.setenv("http_proxy", proxy.url)
        response = Wire(session, {}).request("GET", "http://metrics.invalid/a?b=c")
    assert response.status_code == 200
    assert proxy.requests[0].line == "http://metrics.invalid/a?b=c"


def test_a_url_that_requests_has_to_prepare():
    with MetricsServer([success(1)]) as server, closing(requests.Session()) as session:
        session.trust_env = False
        for url in (f"{server.url}/\u00e9", server.url.replace("//", "//u:p@") + "/x"):
            Wire(session, {}).request("GET", url)
    first, second = server.requests
    assert first.line == "/%C3%A9"
    assert second.headers["authorization"] == "Basic dTpw"


@pytest.mark.parametrize("setting", ["auth", "params", "cookies", "hooks"])
def test_what_a_session_holds_beside_is_not_lost(setting):
    seen = []
    with (
        MetricsServer([Reply(302, b"x", {"Location": "/y"})]) as server,
        closing(requests.Session()) as session,
    ):
        session.trust_env = False
        if setting == "auth":
            session.auth = ("u", "p")
        elif setting == "params":
            session.params = {"more": "1"}
        elif setting == "cookies":
            session.cookies.set("a", "b")
        else:
            session.hooks["response"].append(lambda response, **_: seen.append(response))
        wire = Wire(session, {})
        wire.request("GET", server.url + "/x")
        assert wire.body == b"x"
    (request,) = server.requests
    found = {
        "auth": "authorization" in request.headers,
        "params": request.pairs == [("more", "1")],
        "cookies": request.headers.get("cookie") == "a=b",
        "hooks": len(seen) == 1,
    }
    assert [name for name, there in found.items() if there] == [setting]
