"""A FIFO or a directory in place of a file is an error and does not block. Files are replaced at once."""

import errno
import os
from functools import partial

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.exporters import read_exporters
from chrysaetos.federation.registry import FILE, read_registry
from chrysaetos.gateway.proxy.query_budgets import load_budgets
from chrysaetos.portals.tokens import read_tokens
from chrysaetos.regular_file import read_toml, replace_file
from chrysaetos.usage.dummy import load_toml
from chrysaetos.usage.openrc import read_openrc
from chrysaetos.usage.options import read_credentials
from chrysaetos.usage.records import UsageError


@pytest.mark.parametrize("create", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize(
    "read",
    [
        read_tokens,
        load_toml,
        read_credentials,
        read_exporters,
        partial(load_budgets, engine="prometheus"),
        partial(read_openrc, environ={}),
    ],
)
def test_what_is_not_a_regular_file_is_an_error(tmp_path, create, read):
    create(tmp_path / "file")
    with pytest.raises((ConfigError, UsageError), match=r"file.*(regular file|directory)") as caught:
        read(tmp_path / "file")
    assert str(caught.value).count(str(tmp_path)) == 1


def test_toml_that_is_nested_too_deeply_is_an_error(tmp_path):
    (tmp_path / "file").write_text(f"x = {'[' * 5000}")
    with pytest.raises(ValueError, match="nested too deeply"):
        read_toml(tmp_path / "file")


def test_a_registry_that_is_a_fifo_is_an_error(tmp_path):
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ConfigError, match=r"cannot be read: it is not a regular file"):
        read_registry(tmp_path)


def test_a_new_file_is_for_its_user_alone(tmp_path):
    replace_file(tmp_path / "file", "tëxt")
    assert (tmp_path / "file").read_bytes() == "tëxt".encode()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o640)
    with (tmp_path / "file").open() as before:
        replace_file(tmp_path / "file", "new")
        assert before.read() == "old"
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_a_file_that_cannot_be_replaced_is_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        replace_file(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
