"""An environment without credentials."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["without_credentials"]


def without_credentials(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Remove the variables of OpenStack and Chrysaetos, and hide the clouds.yaml of the machine."""
    for name in list(os.environ):
        if name.startswith(("OS_", "CHRYSAETOS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.chdir(home)
