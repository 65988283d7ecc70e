"""Build the wheel, and install it into a virtual environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.commands import run
from tools.pythons import LOCK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Environment", "build", "without_python"]


def build(source: Path, target: Path, kinds: Sequence[str] = ("sdist", "wheel"), umask: int = 0o022) -> None:
    """Build distributions of a directory.

    Args:
        source: the directory.
        target: the directory for what is built.
        kinds: ``sdist`` for the source distribution, and ``wheel``.
        umask: that of the process that builds.
    """
    targets = [word for kind in kinds for word in ("--target", kind)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *targets, "--directory", target],
        cwd=source,
        umask=umask,
        capture_output=True,
        check=True,
    )


def without_python() -> dict[str, str]:
    """Return the variables of this process, except those that Python reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


class Environment:
    """A new virtual environment, with only pip (and setuptools, before Python 3.12).

    Args:
        folder: where it is created.
        interpreter: the Python that creates it.
    """

    def __init__(self, folder: Path, interpreter: Path) -> None:
        self.programs = folder / "bin"
        self._run(interpreter, "-m", "venv", folder)
        (self.site_packages,) = folder.glob("lib/python*/site-packages")

    def pip(self, *words: str | Path) -> str:
        """Run pip and return what it printed; the test fails if pip does."""
        return self._run(self.programs / "python", "-m", "pip", "--disable-pip-version-check", *words)

    def install(self, *requirements: str | Path) -> None:
        """Install packages in the versions of ``requirements/lock.txt``."""
        self.pip("install", "--quiet", "--constraint", LOCK, *requirements)

    def chrysaetos(self, *words: str | Path) -> str:
        """Run ``chrysaetos`` and return what it printed; the test fails if the command does."""
        return self._run(self.programs / "chrysaetos", *words)

    def _run(self, *command: str | Path) -> str:
        return run(command, env=without_python()).out
