"""The user of the operating system."""

from __future__ import annotations

import grp
import os
import pwd
import shutil

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.install import system


@pytest.fixture
def useradd(tmp_path, monkeypatch):
    """A useradd that writes down its arguments."""
    program = tmp_path / "useradd"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n[ "$7" != bad ] || {{ echo no >&2; exit 9; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: str(program))
    return tmp_path / "arguments"


def test_an_existing_user_is_used(useradd):
    user = pwd.getpwuid(0)
    assert system.create_user(user.pw_name) == grp.getgrnam(user.pw_name).gr_gid
    assert not useradd.exists()


def test_a_missing_user_is_created_without_home_and_shell(useradd):
    with pytest.raises(ConfigError, match="but not a group of this name"):
        system.create_user("no-such-user")
    options = "--system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin"
    assert useradd.read_text() == f"{options} no-such-user\n"


def test_a_user_that_cannot_be_created_is_an_error(useradd):
    useradd.with_name("useradd").write_text("#!/bin/sh\necho no space >&2\nexit 9\n")
    with pytest.raises(ConfigError, match="the user no-such-user cannot be created: no space"):
        system.create_user("no-such-user")


def test_without_useradd_the_operator_creates_the_user(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigError, match="create the system user and group no-such-user"):
        system.create_user("no-such-user")


def test_only_root_may_create_users(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    system.check_root()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ConfigError, match="run it as root"):
        system.check_root()
