"""Run the tests of the pure parts on every supported Python that this machine has.

Interpreters are looked for on PATH, in /usr/bin and under pyenv. Each gets a virtual environment in
``.venvs/python-VERSION`` with the packages of these tests. Prints a line for each: its version, its path, and
the number of tests that passed; if one failed, also pytest's output.

    python tools/pythons.py tests/promql tests/tenancy
    python tools/pythons.py --others tests/promql     only on other versions than this interpreter's
    python tools/pythons.py --this build/tests.log    the line for this interpreter, whose output is in a file

Arguments are those of pytest. Without any it prints the paths of the interpreters.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements" / "lock.txt"
OLDEST = (3, 11)

_PROGRAM = re.compile(r"python3(\.\d+)?")
_PROBE = (
    "import platform, sys; "
    "print(platform.python_implementation(), platform.python_version(), sys._base_executable, "
    "sys.base_prefix, sep='\\n')"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython of this machine.

    Attributes:
        version: such as ``3.11.2``.
        program: its path.
        prefix: where it is installed; not that of a virtual environment.
    """

    version: str
    program: Path
    prefix: str

    @property
    def order(self) -> tuple[int, ...]:
        """The numbers of the version."""
        return tuple(map(int, re.findall(r"\d+", self.version)))


def find_interpreters() -> list[Interpreter]:
    """Return one interpreter for each supported version, the oldest first."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += [Path("/usr/bin"), *sorted(pyenv.glob("versions/*/bin"))]
    found: dict[str, Interpreter] = {}
    for folder in dict.fromkeys(folders):
        for program in sorted(folder.glob("python3*")):
            interpreter = _probe(program) if _PROGRAM.fullmatch(program.name) else None
            if interpreter is not None and interpreter.order >= OLDEST:
                found.setdefault(interpreter.version, interpreter)
    return sorted(found.values(), key=lambda interpreter: interpreter.order)


def _probe(program: Path) -> Interpreter | None:
    """Return the interpreter of a program; None if it is not CPython or does not run, as a shim of pyenv."""
    try:
        done = subprocess.run([program, "-I", "-c", _PROBE], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    implementation, version, base, prefix = done.stdout.splitlines()
    return Interpreter(version, Path(base), prefix) if implementation == "CPython" else None


def make_environment(interpreter: Interpreter) -> Path:
    """Create the virtual environment unless it exists and is current.

    Returns:
        The path of its interpreter.

    Raises:
        subprocess.CalledProcessError: it cannot be created; ``output`` has the reason.
    """
    folder = ROOT / ".venvs" / f"python-{interpreter.version}"
    stamp = folder / "made"
    newest = max(file.stat().st_mtime for file in (PROJECT, LOCK, Path(__file__)))
    current = stamp.exists() and stamp.stat().st_mtime >= newest and stamp.read_text() == interpreter.prefix
    if not current:
        shutil.rmtree(folder, ignore_errors=True)
        project = tomllib.loads(PROJECT.read_text())["project"]
        extras = project["optional-dependencies"]
        needed = [*project["dependencies"], *extras["gateway"], *extras["memcached"], *extras["test"]]
        _run([interpreter.program, "-m", "venv", folder])
        pip: list[Path | str] = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--constraint", LOCK, *needed])
        stamp.write_text(interpreter.prefix)
    return folder / "bin" / "python"


def _run(command: list[Path | str], **variables: str) -> str:
    """Run a command and return its standard output and error."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def run_tests(interpreter: Interpreter, tests: list[str]) -> bool:
    """Run the tests on an interpreter and print the result. Return whether all passed."""
    try:
        python = make_environment(interpreter)
        pytest: list[Path | str] = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        output, passed = _run([*pytest, *tests], PYTHONPATH="src"), True
    except subprocess.CalledProcessError as error:
        output, passed = error.output, False
    details = "" if passed else f"{output}\n"
    print(f"{details}{summary_line(interpreter, output)}", flush=True)
    return passed


def summary_line(interpreter: Interpreter, output: str) -> str:
    """Return the line for an interpreter, with the last line of pytest's output."""
    summary = output.splitlines()[-1].strip("= ") if output else "no output"
    return f"Python {interpreter.version} ({interpreter.program}): {summary}"


def main(arguments: list[str]) -> int:
    """Run the tests on the interpreters, or print their paths. Return the exit status."""
    if arguments[:1] == ["--this"]:
        this = _probe(Path(sys.executable))
        if this is not None:
            print(summary_line(this, Path(arguments[1]).read_text()))
        return 0
    found, tests = find_interpreters(), arguments
    if not arguments:
        print(*(interpreter.program for interpreter in found), sep="\n")
        return 0
    if arguments[0] == "--others":
        own, tests = platform.python_version(), arguments[1:]
        found = [interpreter for interpreter in found if interpreter.version != own]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return 0 if all(pool.map(lambda interpreter: run_tests(interpreter, tests), found)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
