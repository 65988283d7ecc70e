from __future__ import annotations

import json

import pytest
from tests.fakes.grafana import GrafanaData, GrafanaFake
from tests.fakes.json_server import JsonHandler, JsonServer

from chrysaetos.cli.application_credentials import Credential
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.grafana_server import GrafanaServer
from chrysaetos.cli.grafana_sources import DataSource

SETTINGS = DataSource(uid="metrics-1", name="Metrics of a", url="http://x").settings(
    Credential("id", "secret")
)
BOARD = {"uid": "one", "title": "One", "panels": []}


@pytest.fixture
def data():
    return GrafanaData()


@pytest.fixture
def url(data):
    with GrafanaFake(data) as server:
        yield server.root_url


@pytest.fixture
def grafana(url):
    server = GrafanaServer(url + "/", "glsa_admin", 10)
    yield server
    server.close()


def test_a_data_source_is_created_and_replaced(grafana, data):
    assert grafana.data_source("metrics-1") is None
    grafana.write_data_source(SETTINGS, exists=False)
    assert grafana.works("metrics-1")
    found = grafana.data_source("metrics-1")
    assert found["basicAuthUser"] == "id"
    assert "secret" not in json.dumps(found)
    grafana.write_data_source({**SETTINGS, "secureJsonData": {"basicAuthPassword": "wrong"}}, exists=True)
    assert not grafana.works("metrics-1")
    assert data.sources["metrics-1"]["secureJsonData"] == {"basicAuthPassword": "wrong"}


def test_dashboards_are_created_and_overwritten_in_one_folder(grafana, data):
    assert grafana.dashboard("one") is None
    grafana.write_dashboards([json.dumps(BOARD)])
    grafana.write_dashboards([json.dumps({**BOARD, "title": "Two"})])
    assert json.loads(grafana.dashboard("one")) == {**BOARD, "title": "Two"}
    assert data.folders == {"openstack-metrics": "OpenStack metrics"}
    assert data.dashboards["one"]["folderUid"] == "openstack-metrics"


def test_an_unknown_token(url):
    with pytest.raises(CommandFailed, match="status 401: Invalid API key: check the token"):
        GrafanaServer(url, "glsa_unknown", 10).data_source("x")


def test_a_token_that_may_only_read(url):
    server = GrafanaServer(url, "glsa_viewer", 10)
    assert server.data_source("x") is None
    with pytest.raises(CommandFailed, match=r"POST /api/datasources: status 403: .*the role Admin"):
        server.write_data_source(SETTINGS, exists=False)
    with pytest.raises(CommandFailed, match=r"POST /api/folders: status 403: .*the role Admin"):
        server.write_dashboards([])


def test_another_data_source_of_the_same_name(grafana, data):
    data.sources["other"] = SETTINGS
    with pytest.raises(CommandFailed, match="status 409: data source with the same name already exists"):
        grafana.write_data_source(SETTINGS, exists=False)


def test_a_rejected_dashboard(grafana, data):
    data.failing["POST", "/api/dashboards/db"] = 412
    with pytest.raises(CommandFailed, match="status 412: it fails"):
        grafana.write_dashboards([json.dumps(BOARD)])


@pytest.mark.parametrize(
    "url", ["grafana.example", "ftp://x", "http://", "http://user:secret@x", "http://x?y", "http://[::1"]
)
def test_an_invalid_url(url):
    with pytest.raises(CommandFailed, match="expected a URL such as"):
        GrafanaServer(url, "t", 10)


class Elsewhere(JsonHandler):
    def do_GET(self):  # noqa: N802  # the base class' name
        self._reply(302, {}, {"Location": "/login"})

    def do_POST(self):  # noqa: N802  # the base class' name
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")


def test_a_server_that_is_not_grafana():
    with JsonServer(Elsewhere) as server:
        grafana = GrafanaServer(server.root_url, "t", 10)
        with pytest.raises(CommandFailed, match="status 302"):
            grafana.data_source("x")
        with pytest.raises(CommandFailed, match="the response is not Grafana's: check the URL"):
            grafana.write_data_source(SETTINGS, exists=False)


def test_no_server():
    with pytest.raises(CommandFailed, match="cannot be reached: ConnectionError"):
        GrafanaServer("http://127.0.0.1:1", "t", 10).data_source("x")


def test_the_token_is_sent_even_if_a_netrc_file_has_credentials(url, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert GrafanaServer(url, "glsa_admin", 10).data_source("x") is None


@pytest.mark.parametrize("token", ["two\nlines", "two words", "über", ""])
def test_an_invalid_token_is_not_shown(url, token):
    with pytest.raises(CommandFailed, match="not one word of printable ASCII characters"):
        GrafanaServer(url, token, 10)
