"""Builds of engines, with a program in Go's place."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tools import engines
from tools.engines import ENGINES, EngineError, build, built, missing

ENGINE = ENGINES["prometheus3"]

GO = f"""#!{sys.executable}
import json, os, pathlib, sys
log = pathlib.Path(os.environ["GO_LOG"])
log.write_text((log.read_text() if log.exists() else "") + " ".join([os.getcwd(), *sys.argv[1:]]) + "\\n")
if os.environ.get("GO_FAILS") == sys.argv[1]:
    sys.exit("go: no such module")
if sys.argv[1:3] == ["mod", "download"]:
    print(json.dumps({{"Dir": os.environ["GO_MODULE"]}}))
elif sys.argv[1] == "build":
    assert pathlib.Path("go.sum").exists()
    for package in [arg for arg in sys.argv if arg == "." or arg.startswith("./")]:
        pathlib.Path(sys.argv[sys.argv.index("-o") + 1], pathlib.Path(package).resolve().name).touch()
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no variable that names a program."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ENGINE.variable, raising=False)
    return tmp_path / "cache" / "chrysaetos" / "engines"


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go that notes how it is called, and where it notes it."""
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(GO)
    program.chmod(0o755)
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.sum").touch()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GO_MODULE", str(module))
    monkeypatch.setenv("GO_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_an_engine_is_built_into_the_cache(cache: Path, go: Path):
    program = build(ENGINE)
    assert program == cache / f"prometheus3-{ENGINE.version}" / "prometheus"
    assert built(ENGINE) == program
    assert program.with_name("promtool").exists()
    download, compile_ = go.read_text().splitlines()
    assert download.endswith(f" mod download -json {ENGINE.module}@{ENGINE.version}")
    assert compile_.startswith(f"{go.with_name('module')} build ")
    assert f"-tags {ENGINE.tags} " in compile_
    assert "version.Version=3.16.0" in compile_
    assert {path.name for path in cache.iterdir()} == {program.parent.name, f"{program.parent.name}.lock"}


def test_a_program_of_the_tests_is_built_with_the_module(cache: Path, go: Path):
    engine = ENGINES["go_parsers"]
    program = build(engine)
    assert program.name == "go_parsers"
    assert program.parent.parent == cache
    for module in (f"{engine.module}@{engine.version}", *engine.more):
        assert f" -require={module}" in go.read_text()
    assert not go.read_text().splitlines()[-1].startswith(str(engine.source))


def test_a_program_that_changes_is_another_one(cache: Path, tmp_path: Path):
    source = tmp_path / "main.go"
    source.write_text("package main")
    engine = replace(ENGINES["go_parsers"], source=tmp_path)
    before = engine.directory
    source.write_text("package main // changed")
    changed = engine.directory
    assert len({before, changed, replace(engine, more=("other@v1",)).directory}) == 3
    assert engine.directory.parent == before.parent == cache


def test_an_engine_in_the_cache_is_not_built_again(cache: Path, go: Path):
    build(ENGINE)
    go.unlink()
    assert build(ENGINE).is_relative_to(cache)
    assert not go.exists()


@pytest.mark.parametrize("step", ["mod", "build"])
def test_a_build_that_fails_leaves_nothing(cache: Path, go: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    monkeypatch.setenv("GO_FAILS", step)
    with pytest.raises(EngineError, match="no such module"):
        build(ENGINE)
    assert go.exists()
    assert built(ENGINE) is None
    assert [path.name for path in cache.iterdir()] == [f"prometheus3-{ENGINE.version}.lock"]


@pytest.mark.usefixtures("cache")
def test_a_variable_names_a_program_to_use_instead(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHRYSAETOS_PROMETHEUS3", "/opt/prometheus")
    assert build(ENGINE) == built(ENGINE) == Path("/opt/prometheus")


@pytest.mark.usefixtures("cache")
def test_missing_engines_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engines, "_go", lambda: None)
    assert "Go is not installed" in missing(ENGINE)
    with pytest.raises(EngineError, match="CHRYSAETOS_PROMETHEUS3"):
        build(ENGINE)
    monkeypatch.setattr(engines, "_go", lambda: "go")
    assert missing(ENGINE).endswith("run tools/engines.py build prometheus3")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(engines.__file__)
    return subprocess.run([sys.executable, program, *arguments], check=False, capture_output=True, text=True)


@pytest.mark.usefixtures("cache", "go")
def test_the_command_prints_where_programs_are():
    absent = run("path", "prometheus3")
    assert (absent.returncode, absent.stdout) == (1, "")
    assert "tools/engines.py build prometheus3" in absent.stderr
    done = run("build", "prometheus3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{built(ENGINE)}\n"
    assert run("path", "prometheus3").stdout == done.stdout


@pytest.mark.usefixtures("cache", "go")
def test_the_command_says_why_there_is_no_program(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GO_FAILS", "build")
    done = run("build", "prometheus3")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("go: no such module\n")
