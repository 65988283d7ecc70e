"""Permissions of files, by their mode."""

from __future__ import annotations

import os

import pytest

from chrysaetos.findings import Status
from chrysaetos.install.check.permissions import check_logs, check_permissions


def found(findings) -> list[str]:
    return [each.found for each in findings if each.status is not Status.OK]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
def test_a_configuration_for_the_group_is_right(make_setup, config, mode):
    setup = make_setup()
    config.chmod(mode)
    assert found(check_permissions(setup)) == []


def test_others_may_read_a_configuration_without_secrets(make_setup, config):
    setup = make_setup("[DEFAULT]\nauth_mode = noauth\n", keystone="")
    config.chmod(0o644)
    assert found(check_permissions(setup)) == []


@pytest.mark.parametrize("option", ["[prometheus]\nusername = u\npassword = p\n", ""])
def test_others_may_not_read_a_password(make_setup, config, option):
    setup = make_setup(option)
    config.chmod(0o644)
    assert found(check_permissions(setup)) == [f"everybody can read {config}, which has passwords"]


def test_others_may_not_read_a_key(make_setup, config, tmp_path):
    key = tmp_path / "key.pem"
    key.touch()
    setup = make_setup(f"[keystone_authtoken]\nkeyfile = {key}\n")
    key.chmod(0o644)
    assert found(check_permissions(setup)) == [f"everybody can read {key}, which has secrets"]
    key.chmod(0o640)
    assert config.stat().st_mode & 0o077 == 0
    assert found(check_permissions(setup)) == []


@pytest.mark.parametrize(("group", "name"), [("web", "session_key_file"), ("prometheus", "key_file")])
def test_a_missing_file_of_a_part_that_is_off_is_a_warning(make_setup, group, name, tmp_path):
    setup = make_setup(f"[{group}]\n{name} = {tmp_path}/none\n")
    missing = f"[{group}] {name}: {tmp_path}/none: No such file or directory"
    assert found(check_permissions(setup)) == [missing]


def test_others_may_change_neither_configuration_nor_policy(make_setup, config, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("{}\n")
    setup = make_setup(f"[oslo_policy]\npolicy_file = {policy}\n")
    config.chmod(0o602)
    policy.chmod(0o646)
    assert found(check_permissions(setup)) == [
        f"everybody can change {config}",
        f"everybody can change {policy}",
    ]


def test_logs_that_can_be_written_are_right(make_setup, tmp_path):
    setup = make_setup(
        f"[DEFAULT]\nlog_dir = {tmp_path}\nlog_file = own.log\n[gateway]\naudit_file = {tmp_path}/audit.log\n"
    )
    assert {each.status for each in check_logs(setup)} == {Status.OK}
    assert len(list(check_logs(setup))) == 2


def test_logs_that_cannot_be_written_are_errors(make_setup, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    setup = make_setup(
        f"[DEFAULT]\nlog_file = {tmp_path}/folder\n[gateway]\naudit_file = {tmp_path}/audit.log\n"
    )
    monkeypatch.setattr(os, "access", lambda *_: False)
    audit, log = check_logs(setup)
    assert audit.status is log.status is Status.FAILED
    assert f"cannot write {tmp_path}" in audit.found
    assert "is a directory" in log.found
    monkeypatch.undo()
    name = "n" * 300
    long = make_setup(f"[gateway]\naudit_file = {tmp_path}/{name}\n")
    assert found(check_logs(long)) == [f"[gateway] audit_file: {tmp_path}/{name}: File name too long"]
    off = make_setup(f"[gateway]\naudit = false\naudit_file = {tmp_path}/audit.log\n")
    assert list(check_logs(off)) == []
