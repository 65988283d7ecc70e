"""The listener."""

import base64
import gzip
import socket
import threading

import pytest
import requests
import trustme

from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.serving import Listener, application
from chrysaetos.usage.snapshot import Exposition, snapshot

NOW = 1000.0


@pytest.fixture
def exposition():
    return Exposition(max_age=60)


@pytest.fixture
def get(exposition):
    with Listener(application(exposition, clock=lambda: NOW), "127.0.0.1", 0) as listener:
        yield lambda path, **more: requests.request(
            more.pop("method", "GET"), f"http://127.0.0.1:{listener.port}{path}", timeout=10, **more
        )


@pytest.mark.parametrize("path", ["/metrics", "/", "/metrics?x=1"])
def test_metrics(exposition, get, path):
    exposition.publish(snapshot(NOW, [Project("p", "one", "d", "default")], {}))
    answer = get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (
        'project_vcpu_usage{domain_id="d",domain_name="default",project_id="p",project_name="one"} 0.0'
        in (answer.text)
    )


def test_compression_is_the_clients_choice(get):
    plain = get("/metrics", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    packed = get("/metrics", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.raw.read(decode_content=False)) == plain.content


def test_readiness_follows_the_usage(exposition, get):
    assert get("/-/healthy").status_code == 200
    assert get("/-/ready").status_code == 503
    exposition.publish(snapshot(NOW, [], {}))
    assert get("/-/ready").status_code == 200
    exposition.publish(snapshot(NOW - 61, [], {}))
    assert get("/-/ready").status_code == 503


def test_what_is_not_there(get):
    assert get("/other").status_code == 404
    answer = get("/metrics", method="POST")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    head = get("/metrics", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Basic " + base64.b64encode(b"user:pass word").decode(), 200),
        ("basic " + base64.b64encode(b"user:pass word").decode(), 200),
        ("Basic " + base64.b64encode(b"user:other").decode(), 401),
        ("Basic !!!", 401),
        ("Bearer user:pass word", 401),
    ],
)
def test_basic_authentication(exposition, header, status):
    app = application(exposition, ("user", "pass word"))
    with Listener(app, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.port}"
        headers = {"Authorization": header} if header else {}
        answer = requests.get(f"{url}/metrics", headers=headers, timeout=10)
        assert answer.status_code == status
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert requests.get(f"{url}/-/healthy", timeout=10).status_code == 200


def test_tls_and_a_client_that_says_nothing(exposition, tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certificate, key, root = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "root.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    with (
        Listener(application(exposition), "127.0.0.1", 0, certificate=(certificate, key)) as listener,
        socket.create_connection(("127.0.0.1", listener.port)),
    ):
        answer = requests.get(f"https://localhost:{listener.port}/metrics", verify=str(root), timeout=10)
        assert answer.status_code == 200


def test_what_cannot_be_bound_or_read(exposition, tmp_path):
    app, none = application(exposition), tmp_path / "none"
    with (
        Listener(app, "127.0.0.1", 0) as listener,
        pytest.raises(UsageError, match="--bind and --port: cannot listen"),
    ):
        Listener(app, "127.0.0.1", listener.port)
    with pytest.raises(UsageError, match="cannot be used"):
        Listener(app, "127.0.0.1", 0, certificate=(none, none))


def test_many_clients_that_say_nothing_cost_no_threads_and_no_log_lines(exposition, caplog):
    with Listener(application(exposition), "127.0.0.1", 0) as listener:
        threads = threading.active_count()
        held = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(700)]
        answer = requests.get(f"http://127.0.0.1:{listener.port}/metrics", timeout=10)
        assert answer.status_code == 200
        assert threading.active_count() == threads
        for each in held:
            each.close()
    assert not [record for record in caplog.records if record.name != "urllib3.connectionpool"]
