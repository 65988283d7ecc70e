#!/usr/bin/env python3
"""Build the engines that the tests run against beside those of the distribution.

    tools/engines.py build prometheus3       build it unless the cache has it, and print where its program is
    tools/engines.py path prometheus3        print where its program is; exit status 1 if there is none

A build takes the release's source, with the dependencies that the release pins, from the Go module proxy,
and keeps the programs in ``${XDG_CACHE_HOME:-~/.cache}/chrysaetos/engines/NAME-VERSION/``, outside of any
checkout. An engine's environment variable (``CHRYSAETOS_PROMETHEUS3``, ...) names a program to use instead.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENGINES", "Engine", "EngineError", "build", "built", "missing", "source_of"]


class EngineError(Exception):
    """An engine cannot be built. The message says why."""


@dataclass(frozen=True)
class Engine:
    """A release, and how it is built.

    Attributes:
        name: its name in the cache, in tests and in the environment variable.
        module: its Go module.
        version: the module's version.
        programs: the module's package of each program; the engine's own program is the first.
        tags: build tags.
        release: the variable with the version that the programs print, and this version.
        source: a folder with a program of the tests, which imports the module.
        more: further modules that this program imports, as ``module@version``.
    """

    name: str
    module: str
    version: str
    programs: dict[str, str]
    tags: str = ""
    release: tuple[str, str] | None = None
    source: Path | None = None
    more: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that names a program to use instead."""
        return f"CHRYSAETOS_{self.name.upper()}"

    @property
    def directory(self) -> Path:
        """Its directory in the cache."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        version = self.version
        if self.source is not None:
            parts = [file.read_bytes() for file in sorted(self.source.glob("*.go"))]
            parts += [module.encode() for module in self.more]
            version += f"-{hashlib.sha256(b''.join(parts)).hexdigest()[:12]}"
        return Path(cache) / "chrysaetos" / "engines" / f"{self.name}-{version}"


# The releases that the tests follow: the newest that Go 1.26 builds.
_PROMETHEUS = ("github.com/prometheus/prometheus", "v0.316.0")
_TESTS = Path(__file__).parents[1] / "tests"

ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "prometheus3",
            *_PROMETHEUS,
            {"prometheus": "./cmd/prometheus", "promtool": "./cmd/promtool"},
            # Only file_sd and http_sd: the clients of the clouds would take most of the build's time.
            tags="remove_all_sd",
            release=("github.com/prometheus/common/version.Version", "3.16.0"),
        ),
        Engine(
            "go_parsers",
            *_PROMETHEUS,
            {"go_parsers": "."},
            source=_TESTS / "property" / "go_parsers",
            more=("github.com/VictoriaMetrics/metricsql@v0.87.3",),  # that of the release below
        ),
        Engine(
            "victoriametrics",
            "github.com/VictoriaMetrics/VictoriaMetrics",
            "v1.151.0",
            {"victoria-metrics": "./app/victoria-metrics"},
            release=(
                "github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version",
                "victoria-metrics-v1.151.0",
            ),
        ),
        Engine(
            "vmauth",
            "github.com/VictoriaMetrics/VictoriaMetrics",
            "v1.151.0",
            {"vmauth": "./app/vmauth"},
            release=("github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version", "vmauth-v1.151.0"),
        ),
        Engine(
            "prom_label_proxy",
            "github.com/prometheus-community/prom-label-proxy",
            "v0.14.0",
            {"prom-label-proxy": "."},
        ),
        Engine(
            "compose_spec",
            "github.com/compose-spec/compose-go/v2",
            "v2.16.2",
            {"compose_spec": "."},
            source=_TESTS / "federation" / "compose_spec",
        ),
        Engine(
            "thanos",
            "github.com/thanos-io/thanos",
            "v0.42.4",
            {"thanos": "./cmd/thanos"},
            tags="slicelabels",
            release=("github.com/prometheus/common/version.Version", "0.42.4"),
        ),
        Engine(
            "mimir",
            "github.com/grafana/mimir",
            # Mimir's tags are not versions of its Go module: this is a commit after 3.0.5.
            "v1.3.1-0.20260423142704-aced80d74930",
            {"mimir": "./cmd/mimir"},
            tags="netgo,stringlabels",
            release=("github.com/grafana/mimir/pkg/util/version.Version", "3.0.5"),
        ),
    )
}


def built(engine: Engine) -> Path | None:
    """Return an engine's program: the one that its variable names, else the cache's, else None."""
    named = os.environ.get(engine.variable)
    if named:
        return Path(named)
    program = engine.directory / next(iter(engine.programs))
    return program if program.is_file() else None


def missing(engine: Engine) -> str:
    """Return why there is no such engine, and what to do, for a test that is skipped."""
    if _go() is None:
        return f"no {engine.name}: Go is not installed to build it, and {engine.variable} names no program"
    return f"no {engine.name}: run tools/engines.py build {engine.name}"


def build(engine: Engine) -> Path:
    """Build an engine into the cache unless it is there.

    Returns:
        The path of its program.

    Raises:
        EngineError: Go is missing, or a command of Go fails.
    """
    program = built(engine)
    if program is not None:
        return program
    go = _go()
    if go is None:
        raise EngineError(missing(engine))
    cache = engine.directory.parent
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{engine.directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not engine.directory.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".building-") as scratch:
                _compile(engine, go, Path(scratch))
    return engine.directory / next(iter(engine.programs))


def _go() -> str | None:
    return shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")


def source_of(engine: Engine) -> Path:
    """Return the folder of an engine's source in Go's module cache. It is downloaded if it is not there.

    Raises:
        EngineError: Go is missing, or a command of Go fails.
    """
    go = _go()
    if go is None:
        raise EngineError(missing(engine))
    downloaded = _run([go, "mod", "download", "-json", f"{engine.module}@{engine.version}"], Path.cwd())
    return Path(json.loads(downloaded)["Dir"])


def _compile(engine: Engine, go: str, scratch: Path) -> None:
    module = source_of(engine)
    programs = scratch / "programs"
    programs.mkdir()
    command = [go, "build", "-trimpath", "-buildvcs=false", "-o", f"{programs}/", "-tags", engine.tags]
    flags = "-s -w"
    if engine.release is not None:
        flags += f" -X {engine.release[0]}={engine.release[1]}"
    command += ["-ldflags", flags]
    if engine.source is None:
        # In the module's own folder, so that Go uses its go.mod.
        _run([*command, *engine.programs.values()], module)
    else:
        source = scratch / next(iter(engine.programs))
        shutil.copytree(engine.source, source)
        shutil.copyfile(module / "go.sum", source / "go.sum")
        _run([go, "mod", "init", source.name], source)
        modules = (f"{engine.module}@{engine.version}", *engine.more)
        _run([go, "mod", "edit", *(f"-require={module}" for module in modules)], source)
        _run([*command, "-mod=mod", "."], source)
    programs.rename(engine.directory)


def _run(command: list[str], directory: Path) -> str:
    # Not the machine's go.work, and no cgo: the programs need nothing but the kernel.
    environment = {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0"}
    done = subprocess.run(
        command, cwd=directory, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip().splitlines()[-15:]
        raise EngineError("\n".join([f"{' '.join(command)} failed:", *output]))
    return done.stdout


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status: 0 if each engine is there, 1 otherwise.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("build", "path"))
    parser.add_argument(
        "engines", nargs="+", choices=sorted(ENGINES), metavar="ENGINE", help=", ".join(ENGINES)
    )
    parsed = parser.parse_args(arguments)
    status = 0
    for engine in (ENGINES[name] for name in parsed.engines):
        try:
            program = build(engine) if parsed.action == "build" else built(engine)
        except EngineError as error:
            print(error, file=sys.stderr)
            program = None
        else:
            print(program or missing(engine), file=sys.stdout if program else sys.stderr)
        status |= program is None
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
