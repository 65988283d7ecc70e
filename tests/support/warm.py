"""Run Python programs in forks of a process that has already imported their libraries.

The imports take most of the time of a short program. Each program still has a process, an environment and
modules of its own: only the libraries are shared, as they are after their import.

    python warm.py MODULE...    that process: it imports these, and reads a program per line, as JSON
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.commands import Output

__all__ = ["WarmPython", "end_shared", "shared_python"]


class WarmPython:
    """An interpreter that has imported libraries. A context manager.

    Args:
        python: the interpreter and its options.
        libraries: the modules that it imports.
        env: its environment, from which Python reads its own variables; that of the tests when None.
    """

    def __init__(
        self, python: Sequence[str | Path], libraries: Sequence[str], env: Mapping[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [*python, __file__, *libraries],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, arguments: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, timeout: float = 240
    ) -> Output:
        """Run a program to its end.

        Args:
            arguments: as those of ``python``: a file, ``-m`` and a module or ``-c`` and a text, and the
                program's own.
            env: its environment.
            cwd: its working directory.
            timeout: seconds after which it and this interpreter are killed, and the test fails.
        """
        from tests.support.commands import Output  # noqa: PLC0415  # not in the other process

        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            printed, err = Path(folder, "printed"), Path(folder, "err")
            program = {
                "arguments": list(map(str, arguments)),
                "env": dict(env),
                "cwd": str(cwd),
                "outputs": [str(printed), str(err)],
            }
            print(json.dumps(program), file=self._process.stdin, flush=True)
            ended, _, _ = select.select([self._process.stdout], [], [], timeout)
            if not ended:
                os.killpg(self._process.pid, signal.SIGKILL)
            status = self._process.stdout.readline()
            words = " ".join(program["arguments"])
            assert status, f"{words} did not end in {timeout} s, or the libraries cannot be imported"
            return Output(int(status), printed.read_text(errors="replace"), err.read_text(errors="replace"))

    def end(self) -> None:
        """End the interpreter."""
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


_shared: dict[tuple[str, ...], WarmPython] = {}


def shared_python(
    python: Sequence[str | Path], libraries: Sequence[str], env: Mapping[str, str] | None = None
) -> WarmPython:
    """Return the interpreter with these libraries that all tests of the session share."""
    key = (*map(str, python), *libraries)
    if key not in _shared:
        _shared[key] = WarmPython(python, libraries, env)
    return _shared[key]


def end_shared() -> None:
    """End the shared interpreters."""
    while _shared:
        _, python = _shared.popitem()
        python.end()


def _become(program: dict[str, Any]) -> None:
    """Run the program in this process, which ends with it."""
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["env"])
    with open(os.devnull) as empty:  # noqa: PTH123  # a descriptor is needed
        os.dup2(empty.fileno(), 0)
    for descriptor, path in enumerate(program["outputs"], start=1):
        with Path(path).open("w") as file:
            os.dup2(file.fileno(), descriptor)
    first, *rest = program["arguments"]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [*filter(None, paths)]
    if first == "-m":
        sys.argv = rest
        sys.path.insert(0, program["cwd"])
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = [first, *rest[1:]]
        exec(rest[0], {"__name__": "__main__"})  # noqa: S102  # as Python does
    else:
        sys.argv = [first, *rest]
        sys.path.insert(0, str(Path(first).parent))
        runpy.run_path(first, run_name="__main__")


def main(libraries: Sequence[str]) -> None:
    """Import the libraries, and run each program that is read in a fork."""
    for library in libraries:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # so that no fork looks through the libraries again
    gc.set_threshold(20_000)  # and none looks through what it imports itself again and again
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            _become(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
