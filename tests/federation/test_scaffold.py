from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from chrysaetos.errors import ConfigError
from chrysaetos.federation import scaffold
from chrysaetos.federation.scaffold import LEDGER, File, check_prometheus, scalar, write_files

if TYPE_CHECKING:
    from pathlib import Path

FILES = [File("a.yml", "a: 1\n"), File("sub/b.yml", "b: 2\n")]


def content(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_files_are_written_into_a_new_directory(tmp_path: Path) -> None:
    assert write_files(tmp_path / "new", FILES, force=False) == ["a.yml", "sub/b.yml"]
    assert content(tmp_path / "new") == {"a.yml": "a: 1\n", "sub/b.yml": "b: 2\n"}
    assert (tmp_path / "new" / "a.yml").stat().st_mode & 0o777 == 0o644


def test_a_file_that_is_there_is_not_overwritten_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yml").write_text("mine\n")
    before = content(tmp_path)
    with pytest.raises(ConfigError, match=r"sub/b\.yml.*another content"):
        write_files(tmp_path, FILES, force=False)
    assert content(tmp_path) == before
    assert write_files(tmp_path, FILES, force=True) == ["a.yml", "sub/b.yml"]
    assert content(tmp_path)["sub/b.yml"] == "b: 2\n"


def test_the_same_content_is_no_conflict(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False)
    assert write_files(tmp_path, FILES, force=False) == []


def test_what_was_written_here_is_renewed_and_what_was_changed_is_not(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False, renew=True)
    assert write_files(tmp_path, [File("a.yml", "a: 2\n")], force=False, renew=True) == ["a.yml"]
    (tmp_path / "a.yml").write_text("mine\n")
    (tmp_path / "sub" / "b.yml").unlink()
    with pytest.raises(ConfigError, match=r"^a\.yml in"):
        write_files(tmp_path, FILES, force=False, renew=True)
    assert (tmp_path / "a.yml").read_text() == "mine\n"
    assert not (tmp_path / "sub" / "b.yml").exists()
    ours = [File("a.yml", "a: 3\n", ours=True), FILES[1]]
    assert write_files(tmp_path, ours, force=False, renew=True) == ["a.yml", "sub/b.yml"]


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False)
    (tmp_path / "a.yml").chmod(0o600)
    write_files(tmp_path, [File("a.yml", "a: 2\n")], force=True)
    assert (tmp_path / "a.yml").stat().st_mode & 0o777 == 0o600


def test_a_failure_between_two_files_leaves_none(tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file where a folder should be")
    before = content(tmp_path)
    with pytest.raises(ConfigError):
        write_files(tmp_path, FILES, force=True)
    assert content(tmp_path) == before


def test_a_failure_at_the_last_step_puts_back_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yml").write_text("before\n")
    known = type(tmp_path).replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == "c.yml":
            raise OSError("no space")
        return known(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", replace)
    with pytest.raises(ConfigError, match="nothing was written: no space"):
        write_files(tmp_path, [*FILES, File("c.yml", "c: 3\n")], force=True)
    assert content(tmp_path) == {"a.yml": "before\n"}


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_text("[1]")
    with pytest.raises(ConfigError, match="is damaged: remove it"):
        write_files(tmp_path, FILES, force=False, renew=True)


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "with: colon # and more",
        '{job="a",b=~"\\"c"}',
        "it's",
        "tab\tand\nline",
        "Bär \U0001f985",
        "\x7f\x85\u2028\ue000",
        "yes",
        "1",
        "",
    ],
)
def test_a_scalar_is_read_as_it_was(value: str) -> None:
    assert yaml.safe_load(f"key: {scalar(value)}") == {"key": value}
    assert yaml.safe_load(f"[{scalar(value)}, 1]") == [value, 1]


def test_a_selector_is_readable() -> None:
    assert scalar('{job="a"}') == "'{job=\"a\"}'"


def test_promtool_checks_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    check_prometheus([File("prometheus.yml", "global: {}\n")], "prometheus.yml")
    wrong = [File("prometheus.yml", json.dumps({"global": {"scrape_interval": "soon"}}))]
    with pytest.raises(ConfigError, match=r"promtool does not take prometheus\.yml"):
        check_prometheus(wrong, "prometheus.yml")
    monkeypatch.setattr(scaffold.shutil, "which", lambda _: None)
    check_prometheus(wrong, "prometheus.yml")
