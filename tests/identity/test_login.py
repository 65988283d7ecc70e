from __future__ import annotations

from typing import Any

from keystoneauth1.identity import v3

from chrysaetos.identity.login import Login

URL = "http://keystone.example/v3"
USER = Login(user=("alice", "Default"), secret="s3cret", project=("demo", "Projects"))
CREDENTIAL = Login(credential_id="0a1b", secret="s3cret")


def test_a_user_logs_in_with_a_password():
    plugin = USER.plugin(URL)
    assert isinstance(plugin, v3.Password)
    assert (plugin.project_name, plugin.project_domain_name) == ("demo", "Projects")
    method: Any = plugin.auth_methods[0]
    assert (method.username, method.user_domain_name, method.password) == ("alice", "Default", "s3cret")
    assert (USER.kind, USER.subject) == ("password", "alice@Default")


def test_a_user_without_a_project_gets_the_default_project():
    plugin = Login(user=("alice", "Default"), secret="s3cret").plugin(URL)
    assert (plugin.project_name, plugin.unscoped) == (None, False)


def test_an_application_credential_logs_in_by_its_id():
    plugin = CREDENTIAL.plugin(URL)
    assert isinstance(plugin, v3.ApplicationCredential)
    method: Any = plugin.auth_methods[0]
    assert method.application_credential_id == "0a1b"
    assert method.application_credential_secret == "s3cret"
    assert (CREDENTIAL.kind, CREDENTIAL.subject) == ("application_credential", "0a1b")


def test_no_catalog_is_requested():
    assert [login.plugin(URL).include_catalog for login in (USER, CREDENTIAL)] == [False, False]


def test_a_login_does_not_show_its_secret():
    assert "s3cret" not in repr((USER, CREDENTIAL))
