"""A set-up without any server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chrysaetos.install.check.configuration import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chrysaetos.install.check.configuration import Setup

KEYSTONE = """
[keystone_authtoken]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = aetos
password = not-to-be-shown
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


@pytest.fixture
def config(tmp_path) -> Path:
    file: Path = tmp_path / "aetos.conf"
    file.touch(0o600)
    return file


@pytest.fixture
def make_setup(config) -> Callable[..., Setup]:
    """Return the set-up of a configuration."""

    def make_setup(text: str = "", keystone: str = KEYSTONE) -> Setup:
        config.write_text(text + keystone)
        setup, findings = load([f"--config-file={config}"])
        assert findings == []
        assert setup is not None
        return setup

    return make_setup
