"""The transport over a keystoneauth1 session: requests, the unmodified session, and each failure."""

import contextlib
import json
import socket
import ssl
import traceback

import pytest
import requests
import trustme
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import Password, v3
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.fakes.keystone import FakeKeystone
from tests.fakes.metrics_server import MetricsServer, Reply, failed, success

from chrysaetos.client import errors
from chrysaetos.client.keystone import KeystoneTransport
from chrysaetos.client.transport import Request


@pytest.fixture
def fake_keystone():
    keystone = FakeKeystone()
    keystone.passwords["alice", "Default", "apollo", "Default"] = "secret"
    yield keystone
    keystone.stop()


def password(keystone, secret="secret"):  # noqa: S107  # an invented password
    return v3.Password(
        auth_url=f"{keystone.url}/v3",
        username="alice",
        password=secret,
        user_domain_name="Default",
        project_name="apollo",
        project_domain_name="Default",
    )


@pytest.fixture
def make():
    """Create transports, and close their sessions after the test."""
    with contextlib.ExitStack() as stack:

        def create(session, **options):
            inner = session
            while isinstance(inner, Adapter):
                inner = inner.session
            stack.callback(inner.session.close)
            wanted = {"interface": "public", "region_name": None, "service_type": "metric-storage", **options}
            return KeystoneTransport(session, **wanted)

        yield create


def failure(transport, **options):
    with pytest.raises(errors.MetricsError) as caught:
        transport.send(Request("GET", "/api/v1/query?query=up"), **options)
    return caught.value


def test_a_request_carries_the_token(make):
    with MetricsServer([success(1)]) as server:
        transport = make(Session(auth=Token(f"{server.url}/prefix/", "abc")), headers={"X-Own": "1"})
        answer = transport.send(Request("GET", "/x?a=b", compressed=False))
        transport.send(Request("POST", "/x", form="a=b"), timeout=5)
        transport.send(Request("POST", "/x", idempotent=False))
        assert transport.endpoint() == f"{server.url}/prefix"
        assert (answer.status, answer.url) == (200, f"{server.url}/prefix/x")
        assert json.loads(answer.body) == {"status": "success", "data": 1}
    get, post, empty = server.requests
    assert (get.headers["x-auth-token"], get.headers["x-own"], get.line) == ("abc", "1", "/prefix/x?a=b")
    assert (get.headers["accept"], get.headers["accept-encoding"]) == ("application/json", "identity")
    assert "chrysaetos/" in get.headers["user-agent"]
    assert (post.pairs, post.headers["content-type"]) == ([("a", "b")], "application/x-www-form-urlencoded")
    assert empty.headers["content-length"] == "0"
    assert server.connections == 1


def test_settings_of_the_session_are_used(make):
    session = Session(
        auth=Token("http://unused.example", "abc"),
        user_agent="mine",
        original_ip="192.0.2.1",
        additional_headers={"X-More": "2"},
        collect_timing=True,
    )
    with MetricsServer([success(1)]) as server:
        make(session, endpoint_override=server.url).send(Request("GET", "/x"))
        make(session, endpoint_override=server.url).send(Request("GET", "/y"))
    headers = server.requests[0].headers
    assert headers["user-agent"].startswith("mine ")
    assert headers["forwarded"].startswith("for=192.0.2.1;")
    assert headers["x-more"] == "2"
    timings = session.get_timings()
    assert [timing.url for timing in timings] == [f"{server.url}/x", f"{server.url}/y"]
    assert all(timing.elapsed.total_seconds() > 0 for timing in timings)


def test_the_session_is_not_modified(make):
    with MetricsServer([success(1)]) as server:
        session = Session(auth=Token(server.url, "abc"), verify="/some/ca.pem", timeout=7)
        inner = session.session
        inner.headers["X-Inner"] = "1"
        before, inner_before = dict(vars(session)), dict(vars(inner))
        adapters = dict(inner.adapters)
        transport = make(session)
        for timeout in (None, 3.0):
            transport.send(Request("GET", "/x"), timeout=timeout)
        transport.close()
        assert vars(session) == before
        assert vars(inner) == inner_before
        assert session.session is inner
        assert dict(inner.adapters) == adapters
        assert server.requests[0].headers["x-inner"] == "1"
        # Its connections are still open.
        inner.get(server.url, verify="/some/ca.pem")
        assert server.connections == 1


def test_later_changes_of_the_session_are_used(make):
    with MetricsServer([success(1)]) as server:
        session = Session(auth=Token(server.url, "abc"))
        transport = make(session)
        transport.send(Request("GET", "/x"))
        session.auth = Token(server.url, "def")
        transport.send(Request("GET", "/x"))
    assert [request.headers["x-auth-token"] for request in server.requests] == ["abc", "def"]


def test_settings_of_an_adapter_are_used(make):
    with MetricsServer([success(1)]) as server:
        adapter = Adapter(
            Session(),
            auth=Token(server.url, "abc"),
            additional_headers={"X-More": "2"},
            global_request_id="req-1",
            client_name="mine",
            client_version="5",
        )
        before = dict(vars(adapter))
        make(adapter).send(Request("GET", "/x"))
        # An adapter over another one.
        make(Adapter(adapter)).send(Request("GET", "/x"))  # type: ignore[arg-type]  # keystoneauth takes it
        assert vars(adapter) == before
    for request in server.requests:
        assert request.headers["x-auth-token"] == "abc"
        assert request.headers["x-more"] == "2"
    assert "mine/5" in server.requests[0].headers["user-agent"]
    assert server.requests[0].headers["x-openstack-request-id"] == "req-1"


def test_hooks_of_the_requests_session_run(make):
    seen = []
    inner = requests.Session()
    inner.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    with MetricsServer([success(1), Reply(302, b"", {"Location": "/y"})]) as server:
        transport = make(Session(session=inner, auth=Token(server.url, "abc")))
        assert json.loads(transport.send(Request("GET", "/x")).body)["data"] == 1
        assert transport.send(Request("GET", "/x")).status == 302
    assert seen == [200, 302]


def test_netrc_is_ignored(make, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    inner = requests.Session()
    with MetricsServer([success(1)]) as server:
        transport = make(Session(session=inner, auth=Token(server.url, "abc")))
        transport.send(Request("GET", "/x"))
        inner.auth = ("u", "p")
        transport.send(Request("GET", "/x"))
    without, own = server.requests
    assert "authorization" not in without.headers
    assert own.headers["authorization"] == "Basic dTpw"


def test_mounted_adapters_are_used(make):
    class Counting(requests.adapters.HTTPAdapter):
        sent = 0

        def send(self, *arguments, **options):
            Counting.sent += 1
            return super().send(*arguments, **options)

    with MetricsServer([success(1)]) as server:
        session = Session(auth=Token(server.url, "abc"))
        session.mount(server.url, Counting())
        make(session).send(Request("GET", "/x"))
    assert Counting.sent == 1


def test_a_new_token_is_fetched_after_401(make, fake_keystone):
    with MetricsServer([failed(401, "unauthorized", "expired"), success(1)]) as server:
        transport = make(Session(auth=password(fake_keystone)), endpoint_override=server.url)
        assert transport.send(Request("GET", "/x")).status == 200
        assert len({request.headers["x-auth-token"] for request in server.requests}) == 2
        server.replies = [failed(401, "unauthorized", "no")]
        server.requests.clear()
        assert transport.send(Request("GET", "/x")).status == 401
        assert len(server.requests) == 2


def test_the_endpoint_is_looked_up_in_the_catalog(make, fake_keystone):
    transport = make(Session(auth=password(fake_keystone)), region_name="r")
    assert transport.endpoint(5) == "http://gateway.example"


@pytest.mark.parametrize(
    ("options", "message", "rest"),
    [
        (
            {"service_type": "metrics"},
            "no metrics service in the catalog for interface public",
            (
                "the catalog has identity, metric-storage; an operator registers it with openstack service "
                "create --name aetos metrics, openstack endpoint create metrics public URL"
            ),
        ),
        (
            {"region_name": "elsewhere"},
            "no metric-storage service in the catalog for interface public in region elsewhere",
            "it is registered for admin in r, internal in r, public in r",
        ),
    ],
)
def test_a_service_that_is_not_in_the_catalog(make, fake_keystone, options, message, rest):
    error = failure(make(Session(auth=password(fake_keystone)), **options))
    assert type(error) is errors.NotRegistered
    assert error.message == f"{message}: {rest}"


def test_service_type_and_region_of_an_adapter_are_used(make, fake_keystone):
    adapter = Adapter(Session(auth=password(fake_keystone)), service_type="metrics", region_name="east")
    assert "no metrics service in the catalog for interface public in region east" in str(
        failure(make(adapter))
    )
    error = failure(make(adapter, service_type="other", region_name="west"))
    assert "no other service in the catalog for interface public in region west" in str(error)


def test_a_plugin_without_a_catalog(make):
    error = failure(make(Session(auth=NoAuth())))
    assert type(error) is errors.NotRegistered
    assert "the token has no catalog" in error.message


def test_keystone_rejects_the_credentials(make, fake_keystone):
    error = failure(make(Session(auth=password(fake_keystone, "wrong"))))
    assert type(error) is errors.Unauthorized
    assert (error.status, error.url) == (401, f"{fake_keystone.url}/v3/auth/tokens")
    assert error.message.startswith("Keystone: ")
    assert error.message.count("HTTP 401") == 1
    assert error.message.endswith("; check user, password, domain and project, or the application credential")
    assert "wrong" not in str(error)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("status", [401, 404])
def test_an_auth_url_of_another_service(status, make, fake_keystone):
    """With 401, the generic plugin of keystoneauth1 would wait for a lock that it holds itself."""
    fake_keystone.status = status
    url = f"{fake_keystone.url}/v2.1"
    error = failure(
        make(Session(auth=Password(url, username="alice", password="b", user_domain_id="default")))
    )
    assert type(error) is errors.Unreachable
    assert not error.retryable
    assert "check that your auth_url is correct" in error.message


@pytest.mark.timeout(20)
def test_a_keystone_that_requires_credentials_for_its_versions(make, fake_keystone):
    fake_keystone.status = 401
    url = f"{fake_keystone.url}/v3"
    error = failure(
        make(Session(auth=Password(url, username="alice", password="b", user_domain_id="default")))
    )
    assert type(error) is errors.Unauthorized
    assert error.status == 401


def test_a_session_without_credentials(make):
    error = failure(make(Session()))
    assert type(error) is errors.Unauthorized
    assert error.message.startswith("no usable credentials")


def test_keystone_is_unavailable(make, fake_keystone):
    fake_keystone.status = 503
    error = failure(make(Session(auth=password(fake_keystone))))
    assert type(error) is errors.Unavailable
    assert error.status == 503


def test_keystone_is_down(make, fake_keystone):
    auth = password(fake_keystone)
    fake_keystone.stop()
    error = failure(make(Session(auth=auth), endpoint_override="http://unused.example"))
    assert type(error) is errors.Unreachable
    assert error.retryable
    assert error.message == (
        f"the request to Keystone at {fake_keystone.url}/v3/auth/tokens failed: Connection refused"
    )


def test_keystone_does_not_respond_in_time(make, fake_keystone):
    fake_keystone.delay = 1.0
    error = failure(make(Session(auth=password(fake_keystone))), timeout=0.2)
    assert type(error) is errors.Timeout
    assert error.message.startswith("Keystone at ")


def test_the_time_limit_includes_the_login(make, fake_keystone):
    class Recording(requests.adapters.HTTPAdapter):
        def send(self, request, *arguments, **options):
            given.append((request.method, options["timeout"]))
            return super().send(request, *arguments, **options)

    given: list[tuple[str, float]] = []
    fake_keystone.delay = 0.3
    with MetricsServer([success(1)]) as server:
        session = Session(auth=password(fake_keystone))
        session.mount("http://", Recording())
        make(session, endpoint_override=server.url).send(Request("GET", "/x"), timeout=30)
    (first, login), *_, (last, query) = given
    assert (first, last) == ("POST", "GET")
    assert login <= 30
    assert query <= login - 0.3


def test_no_request_is_sent_when_no_time_is_left(make):
    with MetricsServer([success(1)]) as server:
        transport = make(Session(auth=Token(server.url, "abc")))
        assert type(failure(transport, timeout=1e-9)) is errors.Timeout
        assert server.requests == []


def test_a_server_that_is_not_keystone(make):
    with MetricsServer([Reply(200, b"<html>")]) as server:
        auth = v3.Password(auth_url=server.url, username="a", password="b", user_domain_id="default")
        error = failure(make(Session(auth=auth)))
    assert isinstance(error, errors.MetricsError)
    assert error.message.startswith("the request to Keystone at ")


def test_connection_refused(make):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        error = failure(make(Session(auth=Token(url, "abc"))))
    assert type(error) is errors.Unreachable
    expected = f"the request to the metrics service at {url}/api/v1/query failed: Connection refused"
    assert error.message == expected


def test_the_endpoint_is_looked_up_again_after_a_failure(make):
    with socket.socket() as sock, MetricsServer([success(1)]) as server:
        sock.bind(("127.0.0.1", 0))
        session = Session(auth=Token(f"http://127.0.0.1:{sock.getsockname()[1]}", "abc"))
        transport = make(session)
        failure(transport)
        session.auth = Token(server.url, "abc")
        assert transport.send(Request("GET", "/x")).status == 200


def test_a_response_that_is_cut_off(make):
    with MetricsServer([Reply(body=b"x" * 1000, cut=10)]) as server:
        error = failure(make(Session(auth=Token(server.url, "abc"))))
    assert type(error) is errors.Unreachable
    assert error.retryable
    assert "closed before the end of the response" in error.message


def test_a_server_that_does_not_respond(make):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = failure(make(Session(auth=Token(url, "abc"))), timeout=0.1)
        assert type(error) is errors.Timeout
        assert error.message == f"the metrics service at {url}/api/v1/query did not respond within 0.1 s"
        # Without a time limit, the session's own applies.
        assert type(failure(make(Session(auth=Token(url, "abc"), timeout=0.1)))) is errors.Timeout


def test_a_certificate_that_the_session_does_not_trust(make, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with MetricsServer([success(1)], context) as server:
        session = Session(auth=Token(server.url, "abc"), verify=str(tmp_path / "ca.pem"))
        assert make(session).send(Request("GET", "/x")).status == 200
        assert session.verify == str(tmp_path / "ca.pem")
        error = failure(make(Session(auth=Token(server.url, "abc"))))
    assert type(error) is errors.Unreachable
    assert not error.retryable
    assert "the certificate of the metrics service at" in error.message


def test_an_invalid_header_is_rejected_and_not_shown(make):
    session = Session(auth=NoAuth(endpoint="http://127.0.0.1:1"))
    error = failure(make(session, headers={"X-Secret": "secret\nsecret"}))
    assert type(error) is errors.InvalidArgument
    assert "secret" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("session", [None, requests.Session(), object()])
def test_other_objects_than_sessions_are_rejected(session):
    with pytest.raises(errors.InvalidArgument, match="must be a keystoneauth1 Session or Adapter"):
        KeystoneTransport(session, interface="public", region_name=None, service_type="x")


@pytest.mark.parametrize("url", ["keystone:5000/v3", "/v3", "http://[::1"])
def test_an_invalid_auth_url_is_named(make, url):
    auth = Password(url, username="a", password="b", user_domain_id="default")
    error = failure(make(Session(auth=auth)))
    assert type(error) is errors.InvalidArgument
    assert error.message.startswith("the auth URL must be http://HOST or https://HOST")


def test_an_invalid_endpoint_is_named(make):
    with pytest.raises(errors.InvalidArgument, match="endpoint_override must be http://HOST or https://HOST"):
        make(Session(), endpoint_override="gateway:8080")


def test_the_error_for_an_object_with_a_session_names_it():
    class Connection:
        session = Session()

    with pytest.raises(errors.InvalidArgument, match="pass its attribute `session`"):
        KeystoneTransport(Connection(), interface="public", region_name=None, service_type="x")  # type: ignore[arg-type]
