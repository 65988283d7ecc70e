from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chrysaetos.cli.application_credentials import Credential
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.grafana_sources import DataSource, provider_file, read_credential, source_file

SOURCE = DataSource(
    uid="metrics-1", name='Metrics of größe: "a" $HOME', url="https://cloud.example/metric-storage"
)
CREDENTIAL = Credential("id-1", "pa$$w0rd: #'\"\\ $HOME")


def test_a_credential_is_read_from_the_file_that_it_was_written_to():
    text = source_file(SOURCE, CREDENTIAL)
    assert read_credential(text, Path("x")) == CREDENTIAL


def test_grafana_reads_what_was_written():
    (content,) = yaml.safe_load(source_file(SOURCE, CREDENTIAL))["datasources"]
    # Grafana replaces $NAME by variables, and $$ by $.
    assert content["name"] == SOURCE.name.replace("$", "$$")
    assert content["secureJsonData"] == {"basicAuthPassword": CREDENTIAL.secret.replace("$", "$$")}
    assert (content["basicAuth"], content["basicAuthUser"], content["url"]) == (True, "id-1", SOURCE.url)
    assert content["jsonData"] == {"httpMethod": "POST", "timeInterval": "60s"}


def test_grafana_trusts_the_same_certificates():
    settings = DataSource(uid="u", name="n", url="https://x", ca="PEM").settings(CREDENTIAL)
    assert settings["jsonData"]["tlsAuthWithCACert"] is True
    assert settings["secureJsonData"]["tlsCACert"] == "PEM"
    settings = DataSource(uid="u", name="n", url="https://x", verify=False).settings(CREDENTIAL)
    assert settings["jsonData"]["tlsSkipVerify"] is True


def test_the_provider_names_the_path():
    (provider,) = yaml.safe_load(provider_file("/srv/$x/dash boards"))["providers"]
    assert provider["options"] == {"path": "/srv/$$x/dash boards"}


OTHERS = ("[]", "[{}]", "[1, 2]", "[{basicAuthUser: 1}]")
NO_TEXT = "[{basicAuthUser: a, secureJsonData: {basicAuthPassword: 1}}]"


@pytest.mark.parametrize("text", ["", "[", "x", *(f"datasources: {one}" for one in (*OTHERS, NO_TEXT))])
def test_another_file_is_an_error(text):
    with pytest.raises(CommandFailed, match=r"my\.yaml is not a data source of this command: remove it"):
        read_credential(text, Path("my.yaml"))
