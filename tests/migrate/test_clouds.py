"""Reading of configuration and opening of sessions, like the services."""

import pytest
from tests.fakes.keystone import FakeKeystone

from chrysaetos.migrate.clouds import Identity, open_session, read_conf, verify_values
from chrysaetos.migrate.errors import MigrateError

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
