"""Whom the command asks, and as whom. With Keystone: tests/e2e/test_cli.py."""

import base64
import ssl

import pytest
import trustme
from tests.fakes.metrics_server import MetricsServer

from chrysaetos.cli import credentials

QUERY = "/api/v1/query"


@pytest.fixture(autouse=True)
def answer(canned):
    canned.says(QUERY, {"resultType": "scalar", "result": [1, "1"]})


def sent(server):
    return server.requests[-1].headers.get("authorization")


def basic(login):
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def test_nothing_is_sent_unless_it_is_given(ask, server):
    assert ask("query", "1").status == 0
    assert sent(server) is None


def test_a_user_with_a_password(ask, server):
    assert ask("query", "1", "--user", "id:se:cret").status == 0
    assert sent(server) == basic("id:se:cret")


def test_a_password_from_the_environment(ask, server, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_PASSWORD", "hidden")
    assert ask("query", "1", "--user", "id").status == 0
    assert sent(server) == basic("id:hidden")


def test_a_password_is_asked_for_on_a_terminal(ask, server, monkeypatch):
    monkeypatch.setattr(credentials.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(credentials.getpass, "getpass", lambda prompt: f"{prompt}!")
    assert ask("query", "1", "--user", "id").status == 0
    assert sent(server) == basic("id:Password of id: !")


def test_a_bearer_token_from_a_file(ask, server, tmp_path):
    file = tmp_path / "token"
    file.write_text("abc\n")
    assert ask("query", "1", "--bearer-token-file", str(file)).status == 0
    assert sent(server) == "Bearer abc"


def test_a_bearer_token_from_the_environment(ask, server, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_TOKEN", "abc")
    assert ask("query", "1").status == 0
    assert sent(server) == "Bearer abc"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_without_a_token_is_named(content, ask, tmp_path):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    said = ask("query", "1", "--bearer-token-file", str(file))
    assert said.status == 1
    assert str(file) in said.err


def test_the_address_from_the_environment(run, server, monkeypatch):
    monkeypatch.setenv("CHRYSAETOS_URL", server.url)
    assert run("query", "1", "-f", "value").out == "1\n"
    asked = len(server.requests)
    assert "elsewhere" in run("query", "1", "--os-cloud", "elsewhere").err
    assert len(server.requests) == asked


def test_a_ca_of_ones_own(run, canned, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with MetricsServer(canned, tls=context) as server:
        assert run("query", "1", "--url", server.url, "--os-cacert", str(file)).status == 0
        insecure = run("query", "1", "--url", server.url, "--insecure")
        assert (insecure.status, insecure.err) == (0, "")
        said = run("query", "1", "--url", server.url, "--timeout", "2")
    assert said.status == 1
    assert "certificate" in said.err
    assert said.err.count("\n") == 1


def test_no_credentials_at_all_say_what_there_is(run):
    said = run("query", "1")
    assert said.status == 1
    for way in ("--os-cloud", "OS_*", "--url"):
        assert way in said.err
    assert said.err.count("\n") == 1


def test_a_cloud_that_is_not_in_the_file(run, tmp_path):
    (tmp_path / "clouds.yaml").write_text("clouds: {here: {auth: {auth_url: 'http://127.0.0.1/v3'}}}\n")
    said = run("query", "1", "--os-cloud", "elsewhere")
    assert said.status == 1
    assert "elsewhere" in said.err
    assert said.err.count("\n") == 1


def test_braces_in_a_query_are_no_settings(run):
    said = run("query", 'up{vm="{a}"}', "--os-auth-url", "http://127.0.0.1:1/v3", "--os-username", "a")
    assert said.status == 1
    assert "KeyError" not in said.err
    assert said.err.count("\n") == 1
