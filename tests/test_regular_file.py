"""A FIFO or a directory in place of a file is an error and does not block."""

import os
from functools import partial

import pytest

from chrysaetos.errors import ConfigError
from chrysaetos.federation.registry import FILE, read_registry
from chrysaetos.portals.tokens import read_tokens
from chrysaetos.usage.dummy import load_toml
from chrysaetos.usage.openrc import read_openrc
from chrysaetos.usage.options import read_credentials
from chrysaetos.usage.records import UsageError


@pytest.mark.parametrize("create", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("read", [read_tokens, load_toml, read_credentials, partial(read_openrc, environ={})])
def test_what_is_not_a_regular_file_is_an_error(tmp_path, create, read):
    create(tmp_path / "file")
    with pytest.raises((ConfigError, UsageError), match=r"file cannot be read: .*(regular file|directory)"):
        read(tmp_path / "file")


def test_a_registry_that_is_a_fifo_is_an_error(tmp_path):
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ConfigError, match=r"cannot be read: .*it is not a regular file"):
        read_registry(tmp_path)
