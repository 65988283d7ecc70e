from __future__ import annotations

from chrysaetos.cli.application_credentials import Credential, least_first


def test_roles_of_the_cloud_s_own_come_between_reader_and_member():
    roles = ["admin", "member", "metrics-reader", "service", "reader", "manager"]
    assert least_first(roles) == ["reader", "metrics-reader", "member", "manager", "service", "admin"]


def test_the_secret_is_not_shown():
    assert "hidden" not in repr(Credential("id", "hidden"))
