"""Run a command in a test, and read what it wrote only after its exit status was checked."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pytest

__all__ = ["Output", "call_main", "run"]


@dataclass(frozen=True, slots=True)
class Output:
    """What a command that has ended leaves.

    Attributes:
        status: its exit status.
        printed: its standard output, whatever the status.
        err: its standard error.
    """

    status: int
    printed: str
    err: str

    @property
    def out(self) -> str:
        """The standard output of a command that succeeded; otherwise the test fails and shows the error."""
        assert self.status == 0, f"exit status {self.status}\n{self.printed}{self.err}"
        return self.printed

    @property
    def json(self) -> Any:
        """The standard output of a command that succeeded, read as JSON."""
        return json.loads(self.out)


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 120,
) -> Output:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        env: its environment; that of the tests when None.
        cwd: its working directory.
        stdin: what it reads.
        timeout: seconds after which it is killed and the test fails.
    """
    done = subprocess.run(
        command, env=env, cwd=cwd, input=stdin, timeout=timeout, capture_output=True, text=True, check=False
    )
    return Output(done.returncode, done.stdout, done.stderr)


def call_main(
    main: Callable[[Sequence[str]], int], arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> Output:
    """Call a command's ``main`` within the test's own process.

    Args:
        main: returns the exit status, or raises SystemExit as ``argparse`` does.
        arguments: the words after the program's name.
        capsys: captures what it writes.
    """
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    return Output(status, *capsys.readouterr())
