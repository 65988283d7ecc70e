"""Clouds that are read without openstacksdk equal openstacksdk's. Logins are in tests/e2e/test_cli.py."""

import io
import os
import sys

import pytest
import yaml
from keystoneauth1.identity import generic, v3

from chrysaetos.cli.clouds import find_region
from chrysaetos.cli.errors import CredentialsError
from chrysaetos.cli.regions import create_client, find_common_region
from chrysaetos.client.transport import SERVICE_TYPE

PASSWORD = {
    "auth_url": "http://127.0.0.1:1/v3",
    "username": "a",
    "password": "b",
    "user_domain_id": "default",
    "project_name": "p",
    "project_domain_name": "Default",
}
TOKEN = {"auth_url": "http://127.0.0.1:1/v3", "token": "t", "project_id": "p"}
CREDENTIAL = {
    "auth_url": "http://127.0.0.1:1/v3",
    "application_credential_id": "i",
    "application_credential_secret": "s",
}


@pytest.fixture(autouse=True)
def _variables(monkeypatch):
    for name in list(os.environ):
        if name.startswith("XDG_CONFIG"):
            monkeypatch.delenv(name)


@pytest.fixture
def variables(monkeypatch):
    """Set the variables of settings."""

    def write(settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"OS_{name.upper()}", value)

    return write


@pytest.fixture
def cloud(tmp_path, monkeypatch):
    """Write a clouds.yaml with the cloud demo."""

    def write(entry, **sections):
        file = tmp_path / "clouds.yaml"
        file.write_text(yaml.safe_dump({"clouds": {"demo": entry}, **sections}))
        # openstacksdk looks for the working directory when it is imported.
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))

    return write


def same(settings):
    """Return the region that both ways of reading find, after comparing them."""
    ours, theirs = find_common_region(settings), find_region(settings)
    assert ours is not None
    assert ours.config["auth_type"] == theirs.config["auth_type"]
    assert ours.config["auth"] == theirs.config["auth"]
    assert ours.get_interface(SERVICE_TYPE) == theirs.get_interface(SERVICE_TYPE)
    assert (ours.get_region_name(SERVICE_TYPE) or "") == theirs.get_region_name(SERVICE_TYPE)
    assert ours.get_endpoint(SERVICE_TYPE) == theirs.get_endpoint(SERVICE_TYPE)
    mine, other = ours.get_session(), theirs.get_session()
    assert (mine.verify, mine.cert) == (other.verify, other.cert)
    assert vars(mine.auth).keys() == vars(other.auth).keys()
    assert type(mine.auth) is type(other.auth)
    return ours


KINDS = [
    ({}, PASSWORD, generic.Password),
    ({"auth_type": "password"}, PASSWORD, generic.Password),
    ({"auth_type": "v3password"}, PASSWORD, v3.Password),
    ({"auth_type": "token"}, TOKEN, generic.Token),
    ({"auth_type": "v3token"}, TOKEN, v3.Token),
    ({"auth_type": "v3applicationcredential"}, CREDENTIAL, v3.ApplicationCredential),
]
CONNECTIONS = [
    {},
    {"region_name": "Two", "interface": "internal"},
    {"cacert": "~/ca.pem", "cert": "~/c.pem", "key": "~/k.pem"},
    {"cert": "/c.pem"},
]


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize(("kind", "auth", "plugin"), KINDS)
def test_variables_are_read_like_openstacksdk_reads_them(kind, auth, plugin, connection, variables):
    variables({**kind, **auth, **connection, "identity_api_version": "3"})
    assert isinstance(same({}).get_session().auth, plugin)


@pytest.mark.parametrize("connection", [*CONNECTIONS, {"verify": False}, {"identity_api_version": "3"}])
@pytest.mark.parametrize(("kind", "auth", "_plugin"), KINDS)
def test_an_entry_of_clouds_yaml_is_read_like_openstacksdk_reads_it(
    kind, auth, _plugin, connection, cloud, variables
):
    cloud({**kind, "auth": auth, **connection})
    same({"cloud": "demo"})
    variables({"cloud": "demo", "username": "not used"})
    same({})


@pytest.mark.parametrize(
    "given",
    [
        {"region_name": "Two", "interface": "admin", "insecure": True},
        {"username": "c", "password": "d", "cacert": "/ca.pem"},
        {"cacert": "/ca.pem", "insecure": True},
    ],
)
@pytest.mark.filterwarnings("ignore:You are specifying a cacert")
def test_options_override(given, cloud, variables):
    variables(PASSWORD)
    same(given)
    cloud({"auth": PASSWORD, "interface": "internal"})
    assert same({"cloud": "demo", **given, "user_id": None}).config["auth"]["username"] in "ac"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"auth_url": "http://k"},
        {**PASSWORD, "password": ""},
        {**PASSWORD, "password": "a{b}"},
        {name: value for name, value in PASSWORD.items() if name != "user_domain_id"},
        {**PASSWORD, "auth_type": "v3oidcpassword"},
        {**PASSWORD, "auth_type": "token"},
        {**PASSWORD, "domain_id": "default"},
        {**PASSWORD, "tenant_name": "p"},
        {**PASSWORD, "token": "t"},
        {**PASSWORD, "metric_storage_endpoint_override": "http://m"},
        {**PASSWORD, "endpoint_type": "internal"},
        {**CREDENTIAL, "auth_type": "v3applicationcredential", "project_id": "p"},
    ],
)
def test_other_variables_are_left_to_openstacksdk(settings, variables):
    variables(settings)
    assert find_common_region({}) is None


@pytest.mark.parametrize(
    ("entry", "sections"),
    [
        ({"auth": PASSWORD, "profile": "vexxhost"}, {}),
        ({"auth": PASSWORD, "regions": ["One", "Two"]}, {}),
        ({"auth": PASSWORD, "region_name": None}, {}),
        ({"auth": PASSWORD, "metric_storage_endpoint_override": "http://m"}, {}),
        ({"auth": {**PASSWORD, "unheard": "x"}}, {}),
        ({"auth": PASSWORD, "verify": "false"}, {}),
        ({"auth": PASSWORD}, {"cache": {"auth": True}}),
        ({"username": "a"}, {}),
        ("text", {}),
    ],
)
def test_other_entries_are_left_to_openstacksdk(entry, sections, cloud):
    cloud(entry, **sections)
    assert find_common_region({"cloud": "demo"}) is None


def test_other_files_are_left_to_openstacksdk(cloud, tmp_path, monkeypatch):
    assert find_common_region({"cloud": "demo"}) is None
    cloud({"auth": PASSWORD})
    assert find_common_region({"cloud": "other"}) is None
    assert find_common_region({"cloud": "demo"}) is not None
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    assert find_common_region({"cloud": "demo"}) is not None
    (tmp_path / "secure.yaml").write_text("clouds: {}")
    assert find_common_region({"cloud": "demo"}) is None
    (tmp_path / "secure.yaml").unlink()
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "missing.yaml"))
    assert find_common_region({"cloud": "demo"}) is None
    (tmp_path / "missing.yaml").write_text("[")
    assert find_common_region({"cloud": "demo"}) is None
    monkeypatch.delenv("OS_CLIENT_CONFIG_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert find_common_region({"cloud": "demo"}) is None


def test_the_file_of_the_variable_is_read_first(cloud, tmp_path, monkeypatch):
    cloud({"auth": PASSWORD})
    file = tmp_path / "other.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"demo": {"auth": {**PASSWORD, "username": "z"}}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(file))
    assert same({"cloud": "demo"}).config["auth"]["username"] == "z"


def test_a_client_uses_the_catalog(variables):
    variables(PASSWORD)
    region = find_common_region({})
    assert region is not None
    with create_client(region, endpoint="http://metrics.example") as client:
        assert client.endpoint == "http://metrics.example"
    assert region.get_session() is region.get_session()


def test_a_cloud_that_is_not_found_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert find_common_region({"cloud": "nowhere"}) is None
    with pytest.raises(CredentialsError, match="nowhere"):
        find_region({"cloud": "nowhere"})
