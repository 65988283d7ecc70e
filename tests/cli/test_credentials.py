"""Endpoint and credentials. Tests with Keystone are in tests/e2e/test_cli.py."""

import base64
import getpass
import io
import ssl
import sys

import pytest
import trustme
from tests.fakes.metrics_server import MetricsServer

QUERY = "/api/v1/query"


@pytest.fixture(autouse=True)
def _response(responses):
    responses.set(QUERY, {"resultType": "scalar", "result": [1, "1"]})


def authorization(server):
    return server.requests[-1].headers.get("authorization")


def basic(login):
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def test_no_credentials_are_sent_by_default(run_on_server, server):
    assert run_on_server("query", "1").status == 0
    assert authorization(server) is None


def test_a_user_with_a_password(run_on_server, server):
    assert run_on_server("query", "1", "--user", "id:se:cret").status == 0
    assert authorization(server) == basic("id:se:cret")


def test_a_password_from_the_environment(run_on_server, server, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_PASSWORD", "hidden")
    assert run_on_server("query", "1", "--user", "id").status == 0
    assert authorization(server) == basic("id:hidden")


def test_no_password_and_no_terminal(run_on_server, server, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    output = run_on_server("query", "up", "--user", "a")
    assert output.status == 1
    assert "no password for a: set CHRYSAETOS_PASSWORD" in output.err
    assert not server.requests


def test_a_password_prompt_on_a_terminal(run_on_server, server, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"{prompt}!")
    assert run_on_server("query", "1", "--user", "id").status == 0
    assert authorization(server) == basic("id:Password for id: !")


def test_a_bearer_token_from_a_file(run_on_server, server, tmp_path):
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert run_on_server("query", "1", "--bearer-token-file", str(file)).status == 0
    assert authorization(server) == "Bearer abc"


def test_a_bearer_token_from_the_environment(run_on_server, server, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_TOKEN", "abc")
    assert run_on_server("query", "1").status == 0
    assert authorization(server) == "Bearer abc"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_without_a_token_is_an_error(content, run_on_server, tmp_path):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    output = run_on_server("query", "1", "--bearer-token-file", str(file))
    assert output.status == 1
    assert str(file) in output.err


def test_the_url_from_the_environment(run, server, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_URL", server.url)
    assert run("query", "1", "-f", "value").out == "1\n"
    count = len(server.requests)
    assert "elsewhere" in run("query", "1", "--os-cloud", "elsewhere").err
    assert len(server.requests) == count


def test_a_ca_certificate(run, responses, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with MetricsServer(responses, tls=context) as server:
        assert run("query", "1", "--url", server.url, "--os-cacert", str(file)).status == 0
        insecure = run("query", "1", "--url", server.url, "--insecure")
        assert (insecure.status, insecure.err) == (0, "")
        output = run("query", "1", "--url", server.url, "--timeout", "2")
    assert output.status == 1
    assert "certificate" in output.err
    assert output.err.count("\n") == 1


def test_the_error_without_credentials_lists_the_options(run):
    output = run("query", "1")
    assert output.status == 1
    for option in ("--os-cloud", "OS_*", "--url"):
        assert option in output.err
    assert output.err.count("\n") == 1


def test_an_unknown_cloud(run, tmp_path):
    (tmp_path / "clouds.yaml").write_text("clouds: {here: {auth: {auth_url: 'http://127.0.0.1/v3'}}}\n")
    output = run("query", "1", "--os-cloud", "elsewhere")
    assert output.status == 1
    assert "elsewhere" in output.err
    assert output.err.count("\n") == 1


def test_braces_in_a_query_are_not_interpolated(run):
    output = run("query", 'up{vm="{a}"}', "--os-auth-url", "http://127.0.0.1:1/v3", "--os-username", "a")
    assert output.status == 1
    assert "KeyError" not in output.err
    assert output.err.count("\n") == 1
