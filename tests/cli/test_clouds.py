"""Clouds as openstacksdk knows them. With a real Keystone: tests/e2e/test_cli.py."""

import io
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest
import yaml
from openstack.config.loader import OpenStackConfig

from chrysaetos.cli import clouds
from chrysaetos.cli.clouds import client_of, region_of, region_of_openstackclient
from chrysaetos.cli.failures import CredentialsError

AUTH = {"auth_url": "http://127.0.0.1:1/v3", "username": "a", "password": "b", "user_domain_id": "default"}


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """Writes the only cloud of clouds.yaml."""

    def write(**settings):
        file = tmp_path / "clouds.yaml"
        file.write_text(yaml.safe_dump({"clouds": {"demo": settings}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        return {"cloud": "demo"}

    return write


def test_an_endpoint_of_the_file_is_asked(cloud):
    options = cloud(auth=AUTH, metric_storage_endpoint_override="http://metrics.example/prefix")
    with client_of(region_of(options)) as client:
        assert client.endpoint == "http://metrics.example/prefix"


def test_an_endpoint_of_the_call_stands_above_it(cloud):
    options = cloud(auth=AUTH, metric_storage_endpoint_override="http://metrics.example")
    with client_of(region_of(options), endpoint="http://other.example") as client:
        assert client.endpoint == "http://other.example"


def test_options_stand_above_the_file(cloud):
    options = cloud(auth=AUTH, interface="internal")
    assert region_of(options).get_interface() == "internal"
    region = region_of(
        {**options, "region_name": "Two", "username": "c", "interface": "admin", "password": None}
    )
    assert (region.get_region_name(), region.get_interface()) == ("Two", "admin")
    assert region.config["auth"] == {**AUTH, "username": "c"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"auth": {}}, "no credentials"),
        ({"auth": {**AUTH, "nonsense": "x"}, "auth_type": "unheard-of"}, "unheard-of"),
        ({"auth": {"auth_url": "http://127.0.0.1:1/v3"}, "auth_type": "v3token"}, "token"),
    ],
)
def test_what_is_missing_is_named(settings, words, cloud):
    with pytest.raises(CredentialsError, match=words):
        region_of(cloud(**settings))


def test_a_password_is_asked_for_on_a_terminal_only(cloud, monkeypatch):
    options = cloud(auth={name: value for name, value in AUTH.items() if name != "password"})
    monkeypatch.setattr(clouds.getpass, "getpass", lambda prompt: f"typed behind {prompt!r}")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "password" not in region_of(options).config["auth"]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert region_of(options).config["auth"]["password"].startswith("typed behind ")


def test_openstackclient_has_read_the_options_already(cloud):
    cloud(auth=AUTH)
    app = SimpleNamespace(cloud_config=OpenStackConfig(), options=Namespace(cloud="demo", region_name="Two"))
    region = region_of_openstackclient(app)
    assert (region.get_region_name(), region.config["auth"]) == ("Two", AUTH)
