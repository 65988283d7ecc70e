"""The administrator's credentials. Registration itself is tested with a real Keystone in ``tests/e2e``."""

from __future__ import annotations

import sys

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.install.register import admin_region, register
from chrysaetos.install.settings import Settings

OPENRC = {
    "OS_AUTH_URL": "https://cloud.example/identity",
    "OS_USERNAME": "admin",
    "OS_PASSWORD": "secret",
    "OS_PROJECT_NAME": "admin",
    "OS_USER_DOMAIN_NAME": "Default",
    "OS_PROJECT_DOMAIN_NAME": "Default",
    "OS_REGION_NAME": "North",
}


def test_an_openrc_file_is_enough():
    region = admin_region(None, OPENRC)
    assert (region.get_interface("identity"), region.get_region_name("identity")) == ("public", "North")


def test_without_credentials_the_error_says_what_to_do():
    with pytest.raises(ConfigError, match="source an administrator's openrc file, or use --os-cloud"):
        admin_region(None, {})


def test_a_cloud_that_does_not_exist_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"--register: .*nowhere"):
        admin_region("nowhere", {"HOME": str(tmp_path)})


def test_other_credentials_need_openstacksdk(monkeypatch):
    monkeypatch.setitem(sys.modules, "openstack.config.loader", None)
    monkeypatch.delitem(sys.modules, "chrysaetos.cli.clouds", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'chrysaetos\[cli\]'"):
        admin_region(None, {**OPENRC, "OS_AUTH_TYPE": "v3oidcpassword"})


@pytest.mark.parametrize("password", ["", "CHANGE-THIS"])
def test_a_password_that_everybody_knows_is_not_registered(password):
    settings = Settings("https://cloud.example/identity", "https://cloud.example/metric-storage")
    with pytest.raises(ConfigError, match="no password, or that of the example"):
        register(settings, password, admin_region(None, OPENRC), lambda _: False)
