"""Clouds of openstacksdk. Tests with a real Keystone are in tests/e2e/test_cli.py."""

import getpass
import io
import sys
from argparse import Namespace
from types import SimpleNamespace

import pytest
import yaml
from keystoneauth1.exceptions import DiscoveryFailure
from openstack.config.loader import OpenStackConfig
from tests.fakes.keystone import FakeKeystone

from chrysaetos.cli.clouds import find_region, openstackclient_region
from chrysaetos.cli.errors import CredentialsError
from chrysaetos.cli.regions import create_client

AUTH = {"auth_url": "http://127.0.0.1:1/v3", "username": "a", "password": "b", "user_domain_id": "default"}


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """Write a clouds.yaml with one cloud."""

    def write(**settings):
        file = tmp_path / "clouds.yaml"
        file.write_text(yaml.safe_dump({"clouds": {"demo": settings}}))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
        return {"cloud": "demo"}

    return write


def test_an_endpoint_in_the_file_is_used(cloud):
    options = cloud(auth=AUTH, metric_storage_endpoint_override="http://metrics.example/prefix")
    with create_client(find_region(options)) as client:
        assert client.endpoint == "http://metrics.example/prefix"


def test_an_endpoint_argument_overrides_the_file(cloud):
    options = cloud(auth=AUTH, metric_storage_endpoint_override="http://metrics.example")
    with create_client(find_region(options), endpoint="http://other.example") as client:
        assert client.endpoint == "http://other.example"


@pytest.mark.timeout(20)
def test_an_auth_url_that_requires_credentials(cloud):
    keystone = FakeKeystone()
    keystone.status = 401
    region = find_region(cloud(auth={**AUTH, "auth_url": keystone.url}))
    try:
        with pytest.raises(DiscoveryFailure, match="it is not Keystone's URL"):
            region.get_session().get_token()
    finally:
        keystone.stop()


def test_options_override_the_file(cloud):
    options = cloud(auth=AUTH, interface="internal")
    assert find_region(options).get_interface() == "internal"
    region = find_region(
        {**options, "region_name": "Two", "username": "c", "interface": "admin", "password": None}
    )
    assert (region.get_region_name(), region.get_interface()) == ("Two", "admin")
    assert region.config["auth"] == {**AUTH, "username": "c"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auth": {}}, "no credentials"),
        ({"auth": {**AUTH, "nonsense": "x"}, "auth_type": "unheard-of"}, "unheard-of"),
        ({"auth": {"auth_url": "http://127.0.0.1:1/v3"}, "auth_type": "v3token"}, "token"),
    ],
)
def test_missing_credentials_are_named(settings, message, cloud):
    with pytest.raises(CredentialsError, match=message):
        find_region(cloud(**settings))


def test_the_password_prompt_requires_a_terminal(cloud, monkeypatch):
    options = cloud(auth={name: value for name, value in AUTH.items() if name != "password"})
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed after {prompt!r}")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CredentialsError, match="no password: set OS_PASSWORD"):
        find_region(options)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert find_region(options).config["auth"]["password"].startswith("typed after ")


def test_options_of_openstackclient_are_used(cloud):
    cloud(auth=AUTH)
    app = SimpleNamespace(cloud_config=OpenStackConfig(), options=Namespace(cloud="demo", region_name="Two"))
    region = openstackclient_region(app)
    assert (region.get_region_name(), region.config["auth"]) == ("Two", AUTH)
