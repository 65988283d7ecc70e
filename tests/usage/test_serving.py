"""Serving the metrics over HTTP."""

import base64
import gzip
import socket
import threading
from contextlib import ExitStack

import pytest
import requests
import trustme
from prometheus_client.parser import text_string_to_metric_families

from chrysaetos.usage.credits import Account
from chrysaetos.usage.grants import Grant
from chrysaetos.usage.records import Project, UsageError
from chrysaetos.usage.serving import Listener, application
from chrysaetos.usage.snapshot import Exposition, take_snapshot

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
    exposition.publish(take_snapshot(NOW, [Project("p", "one", "d", "default")], {}))
    response = get(path)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (
        'project_vcpu_usage{domain_id="d",domain_name="default",project_id="p",project_name="one"} 0.0'
        in (response.text)
    )


def test_the_client_chooses_compression(get):
    for refused in ("identity", "gzip;q=0"):
        plain = get("/metrics", headers={"Accept-Encoding": refused})
        assert "Content-Encoding" not in plain.headers
    compressed = get("/metrics", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.raw.read(decode_content=False)) == plain.content


def test_readiness_depends_on_the_age_of_the_usage(exposition, get):
    assert get("/-/healthy").status_code == 200
    assert get("/-/ready").status_code == 503
    exposition.publish(take_snapshot(NOW, [], {}))
    assert get("/-/ready").status_code == 200
    exposition.publish(take_snapshot(NOW - 61, [], {}))
    assert get("/-/ready").status_code == 503


def test_other_paths_and_methods_are_rejected(get):
    assert get("/other").status_code == 404
    response = get("/metrics", method="POST")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
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
        response = requests.get(f"{url}/metrics", headers=headers, timeout=10)
        assert response.status_code == status
        assert ("WWW-Authenticate" in response.headers) == (status == 401)
        assert requests.get(f"{url}/-/healthy", timeout=10).status_code == 200


def test_tls_with_an_idle_client(exposition, tmp_path):
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
        response = requests.get(f"https://localhost:{listener.port}/metrics", verify=str(root), timeout=10)
        assert response.status_code == 200


def test_an_unusable_address_or_certificate_is_an_error(exposition, tmp_path):
    app, none = application(exposition), tmp_path / "none"
    with (
        Listener(app, "127.0.0.1", 0) as listener,
        pytest.raises(UsageError, match="--bind and --port: cannot listen"),
    ):
        Listener(app, "127.0.0.1", listener.port)
    with pytest.raises(UsageError, match="cannot be used"):
        Listener(app, "127.0.0.1", 0, certificate=(none, none))


def test_many_idle_clients_need_no_threads_and_no_log_lines(exposition, caplog):
    with Listener(application(exposition), "127.0.0.1", 0) as listener, ExitStack() as connections:
        url = f"http://127.0.0.1:{listener.port}/metrics"
        assert requests.get(url, timeout=10).status_code == 200
        threads = set(threading.enumerate())
        for _ in range(700):
            connections.enter_context(socket.create_connection(("127.0.0.1", listener.port)))
        assert requests.get(url, timeout=10).status_code == 200
        assert set(threading.enumerate()) <= threads
    assert not [record for record in caplog.records if record.name != "urllib3.connectionpool"]


def test_credits_as_json_need_the_same_credentials_as_the_metrics(exposition):
    account = Account(Project("p", "one", "d", "default"), "vcpu", 10.0, 3.0, 7.0)
    grant = Grant("1", "p", "vcpu", 10.0, 5.0, None, "ada", "why")
    exposition.publish(take_snapshot(NOW, [], {}, [account]))
    app = application(exposition, ("u", "p"), clock=lambda: NOW, grants=lambda: [grant])
    with Listener(app, "127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.port}/credits"
        assert requests.get(url, timeout=10).status_code == 401
        body = requests.get(url, timeout=10, auth=("u", "p")).json()
        metrics = requests.get(f"http://127.0.0.1:{listener.port}/metrics", timeout=10, auth=("u", "p")).text
    assert body["accounts"] == [
        {
            "project_id": "p",
            "project_name": "one",
            "domain_id": "d",
            "resource": "vcpu",
            "granted": 10.0,
            "used": 3.0,
            "left": 7.0,
        }
    ]
    assert body["grants"][0]["by"] == "ada"
    labels = 'domain_id="d",domain_name="default",project_id="p",project_name="one",resource="vcpu"'
    assert f"usage_exporter_credits_left_hours{{{labels}}} 7.0" in metrics


def test_credits_inside_a_simplevm_project_have_a_label_for_rules(exposition):
    project = Project("p", "one", "d", "default")
    accounts = [
        Account(project, "vcpu", 10.0, 3.0, 7.0),
        Account(project._replace(name="inside"), "vcpu", 5.0, 1.0, 4.0, "inside"),
    ]
    exposition.publish(take_snapshot(NOW, [], {}, accounts))
    text = exposition.render(NOW, compressed=False).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    left = families["usage_exporter_credits_left_hours"].samples
    assert [(sample.labels.get("part"), sample.value) for sample in left] == [(None, 7.0), ("inside", 4.0)]
    assert text.count("# TYPE usage_exporter_credits_left_hours gauge") == 1


def test_an_invalid_file_of_grants_is_reported(exposition):
    def grants():
        raise UsageError("line 2 is not a grant", reason="credits")

    with Listener(application(exposition, grants=grants), "127.0.0.1", 0) as listener:
        response = requests.get(f"http://127.0.0.1:{listener.port}/credits", timeout=10)
    assert (response.status_code, response.text) == (503, "line 2 is not a grant\n")
