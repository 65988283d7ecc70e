"""Reading of configuration and opening of sessions, like the services."""

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from tests.fakes.keystone import FakeKeystone
from tests.fakes.nova import FakeNova

from chrysaetos.migrate.clouds import (
    Identity,
    nova_adapter,
    open_session,
    read_conf,
    read_value,
    verify_values,
)
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.nova import Nova

SECTION = """\
auth_type = password
auth_url = {url}/v3
username = watcher
password = geheim
user_domain_name = Default
project_name = service
project_domain_name = Projects
"""


@pytest.fixture
def keystone():
    fake = FakeKeystone()
    fake.passwords["watcher", "Default", "service", "Projects"] = "geheim"
    yield fake
    fake.stop()


def session(tmp_path, text):
    path = tmp_path / "watcher.conf"
    path.write_text(text)
    return open_session(read_conf("watcher", [path]), "watcher_clients_auth")


def test_the_credentials_of_the_section_give_a_token(tmp_path, keystone):
    who = Identity(session(tmp_path, "[watcher_clients_auth]\n" + SECTION.format(url=keystone.url)), "x")
    assert (who.user, who.project) == ("watcher", "service")
    assert "member" in who.roles


def test_those_of_the_section_that_it_names(tmp_path, keystone):
    text = "[watcher_clients_auth]\nauth_section = keystone_authtoken\n[keystone_authtoken]\n"
    assert Identity(session(tmp_path, text + SECTION.format(url=keystone.url)), "x").user == "watcher"


def test_a_check_ends_although_the_section_sets_no_time(tmp_path, keystone):
    text = "[watcher_clients_auth]\n" + SECTION.format(url=keystone.url)
    assert session(tmp_path, text).timeout == 30
    assert session(tmp_path, text + "timeout = 7\n").timeout == 7


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("", "auth_type is not set"),
        ("auth_type = none-such\n", "none-such"),
        ("auth_type = password\n", "auth_url"),
    ],
)
def test_incomplete_credentials_name_the_section(tmp_path, section, message):
    with pytest.raises(MigrateError, match=r"\[watcher_clients_auth\]") as caught:
        session(tmp_path, "[watcher_clients_auth]\n" + section)
    assert message in str(caught.value)


def test_rejected_credentials_are_reported_without_the_password(tmp_path, keystone):
    keystone.passwords.clear()
    with pytest.raises(MigrateError, match="openstack token issue") as caught:
        Identity(session(tmp_path, "[watcher_clients_auth]\n" + SECTION.format(url=keystone.url)), "x")
    assert "geheim" not in str(caught.value)


def test_values_are_verified_with_oslo_config(tmp_path, monkeypatch):
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text("[g]\nlist = a, b\ntext = x\n")
    second.write_text("[g]\ntext = 'y'\n")
    monkeypatch.setenv("OS_G__TEXT", "from the environment")
    expected: dict[tuple[str, str], list[str] | str] = {("g", "list"): ["a", "b"], ("g", "text"): "y"}
    verify_values("watcher", [first, second], expected)
    with pytest.raises(MigrateError, match=r"\[g\] text would be read as 'x' instead of 'y'; nothing was"):
        verify_values("watcher", [second, first], expected)
    first.write_text("[g]\nlist = ${none}\n")
    with pytest.raises(MigrateError, match=r"\[g\] list cannot be read"):
        verify_values("watcher", [first], expected)
    first.write_text("[g]\nlist\n")
    with pytest.raises(MigrateError, match=r"oslo\.config cannot read"):
        verify_values("watcher", [first], expected)


def nova(tmp_path, text, *, reads_nova_section=True):
    path = tmp_path / "watcher.conf"
    path.write_text(text)
    session = Session(auth=Token("http://127.0.0.1:1", "fallback"))
    conf = read_conf("watcher", [path])
    return nova_adapter(conf, session, reads_nova_section=reads_nova_section)


@pytest.mark.parametrize(
    ("text", "reads_nova_section", "interface", "region"),
    [
        ("[a]\n", True, ["public"], None),
        ("[a]\n", False, "public", None),
        ("[nova_client]\nendpoint_type = internalURL\nregion_name = two\n", False, "internal", "two"),
        ("[nova_client]\nendpoint_type = internalURL\nregion_name = two\n", True, ["internal"], "two"),
        ("[nova]\nvalid_interfaces = admin,public\nregion_name = one\n", True, ["admin", "public"], "one"),
        ("[nova]\nvalid_interfaces = admin\nregion_name = one\n", False, "public", None),
        (
            "[nova]\ninterface = admin\n[nova_client]\nendpoint_type = public\nregion_name = two\n",
            True,
            "admin",
            "two",
        ),
    ],
)
def test_the_endpoint_of_nova_is_that_of_watcher(tmp_path, text, reads_nova_section, interface, region):
    adapter = nova(tmp_path, text, reads_nova_section=reads_nova_section)
    assert (adapter.service_type, adapter.interface, adapter.region_name) == ("compute", interface, region)
    assert adapter.get_token() == "fallback"


def test_nova_with_credentials_and_an_endpoint_of_its_own(tmp_path, keystone):
    with FakeNova(["a"]) as fake:
        text = f"[nova]\nendpoint_override = {fake.url}\n" + SECTION.format(url=keystone.url)
        adapter = nova(tmp_path, text)
        assert Identity(adapter.session, "nova").user == "watcher"
        assert Nova(adapter).hosts(10) == ["a"]
        assert nova(tmp_path, text, reads_nova_section=False).get_token() == "fallback"


@pytest.mark.parametrize(
    ("section", "message"),
    [("auth_type = password\n", "auth_url"), ("interface = a\nvalid_interfaces = b\n", "interface")],
)
def test_an_invalid_section_of_nova_is_named(tmp_path, section, message):
    with pytest.raises(MigrateError, match=rf"\[nova\].*{message}"):
        nova(tmp_path, "[nova]\n" + section)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("", "/default"),
        ("file = '/a/b'\n", "/a/b"),
        ("file = /a$$b\n", "/a$b"),
        ("file = $DEFAULT.config_file.x\n", None),
        ("file = sec$ret\n", None),
    ],
)
def test_a_value_is_read_as_by_the_service(tmp_path, value, path):
    conf = tmp_path / "service.conf"
    conf.write_text(f"[section]\n{value}")
    options = read_conf("service", [conf])
    if path is None:
        with pytest.raises(MigrateError, match=r"^\[section\] file: a reference .*; write ") as raised:
            read_value(options, "section", "file", "/default")
        assert "ret" not in str(raised.value)
    else:
        assert read_value(options, "section", "file", "/default") == path
