from __future__ import annotations

from typing import TYPE_CHECKING

from chrysaetos.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_init_writes_the_files_and_prints_the_next_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "site"
    assert main(["site", "init", str(directory), "--location", "alpha", "--port", "9999"]) == 0
    printed = capsys.readouterr().out
    written = [
        line.removeprefix("written: ") for line in printed.splitlines() if line.startswith("written: ")
    ]
    assert sorted(written) == sorted(str(path) for path in directory.rglob("*") if path.is_file())
    assert "chrysaetos federate token new" in printed
    assert "--port 9999" in (directory / "systemd" / "chrysaetos-federate.service").read_text()


def test_init_overwrites_files_only_with_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prometheus.yml").write_text("mine\n")
    command = ["site", "init", str(tmp_path), "--location", "alpha"]
    assert main(command) == 1
    assert "prometheus.yml" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus.yml"]
    assert (tmp_path / "prometheus.yml").read_text() == "mine\n"
    assert main([*command, "--force"]) == 0
    assert "project_usages" in (tmp_path / "prometheus.yml").read_text()
    assert (tmp_path / "haproxy" / "haproxy.cfg").is_file()


def test_errors_are_reported_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["site", "init", str(tmp_path / "new"), "--location", "a b"]) == 1
    assert capsys.readouterr().err.startswith("chrysaetos site: --location 'a b'")
    assert not (tmp_path / "new").exists()
