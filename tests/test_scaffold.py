from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from chrysaetos.errors import ConfigError
from chrysaetos.scaffold import (
    MANIFEST,
    File,
    check_prometheus,
    find_changes,
    write_files,
    yaml_scalar,
)

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


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yml").write_text("mine\n")
    before = content(tmp_path)
    with pytest.raises(ConfigError, match=r"sub/b\.yml.*different content"):
        write_files(tmp_path, FILES, force=False)
    assert content(tmp_path) == before
    assert write_files(tmp_path, FILES, force=True) == ["a.yml", "sub/b.yml"]
    assert content(tmp_path)["sub/b.yml"] == "b: 2\n"


def test_identical_content_is_not_a_conflict(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False)
    assert write_files(tmp_path, FILES, force=False) == []


def test_update_overwrites_only_files_that_were_not_edited(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False, update=True)
    assert write_files(tmp_path, [File("a.yml", "a: 2\n")], force=False, update=True) == ["a.yml"]
    (tmp_path / "a.yml").write_text("mine\n")
    (tmp_path / "sub" / "b.yml").unlink()
    with pytest.raises(ConfigError, match=r"^a\.yml in"):
        write_files(tmp_path, FILES, force=False, update=True)
    assert (tmp_path / "a.yml").read_text() == "mine\n"
    assert not (tmp_path / "sub" / "b.yml").exists()
    rewritten = [File("a.yml", "a: 3\n", rewrite=True), FILES[1]]
    assert write_files(tmp_path, rewritten, force=False, update=True) == ["a.yml", "sub/b.yml"]


def test_the_mode_of_an_existing_file_is_kept(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False)
    (tmp_path / "a.yml").chmod(0o600)
    write_files(tmp_path, [File("a.yml", "a: 2\n")], force=True)
    assert (tmp_path / "a.yml").stat().st_mode & 0o777 == 0o600


def test_a_failure_while_writing_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file instead of a directory")
    before = content(tmp_path)
    with pytest.raises(ConfigError):
        write_files(tmp_path, FILES, force=True)
    assert content(tmp_path) == before


def test_a_failure_while_renaming_restores_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yml").write_text("before\n")
    known = type(tmp_path).replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == "c.yml":
            raise OSError("no space")
        return known(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", replace)
    with pytest.raises(ConfigError, match="no file was written: no space"):
        write_files(tmp_path, [*FILES, File("c.yml", "c: 3\n")], force=True)
    assert content(tmp_path) == {"a.yml": "before\n"}


def test_an_invalid_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[1]")
    with pytest.raises(ConfigError, match="is invalid: remove it"):
        write_files(tmp_path, FILES, force=False, update=True)


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
def test_a_scalar_is_read_as_it_was_written(value: str) -> None:
    assert yaml.safe_load(f"key: {yaml_scalar(value)}") == {"key": value}
    assert yaml.safe_load(f"[{yaml_scalar(value)}, 1]") == [value, 1]


def test_a_selector_is_readable() -> None:
    assert yaml_scalar('{job="a"}') == "'{job=\"a\"}'"


def test_promtool_checks_the_configuration_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    check_prometheus([File("prometheus.yml", "global: {}\n")], "prometheus.yml")
    wrong = [File("prometheus.yml", json.dumps({"global": {"scrape_interval": "soon"}}))]
    with pytest.raises(ConfigError, match=r"promtool rejects prometheus\.yml"):
        check_prometheus(wrong, "prometheus.yml")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    check_prometheus(wrong, "prometheus.yml")


def test_a_file_gets_its_mode_and_group(tmp_path: Path) -> None:
    group = 4002 if os.geteuid() == 0 else os.getgid()
    file = File("secret", "x\n", mode=0o640, group=group)
    write_files(tmp_path, [file], force=False)
    (tmp_path / "secret").chmod(0o644)
    assert write_files(tmp_path, [file], force=False) == ["secret"]
    status = (tmp_path / "secret").stat()
    assert (status.st_mode & 0o777, status.st_gid) == (0o640, group)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
def test_root_keeps_the_owner_of_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("before\n")
    os.chown(tmp_path / "a.yml", 4001, 4002)
    write_files(tmp_path, FILES, force=True)
    status = (tmp_path / "a.yml").stat()
    assert (status.st_uid, status.st_gid) == (4001, 4002)


def test_changes_tell_edited_files_from_those_of_an_earlier_run(tmp_path: Path) -> None:
    write_files(tmp_path, FILES, force=False, update=True)
    (tmp_path / "sub" / "b.yml").write_text("mine\n")
    newer = [File("a.yml", "a: 2\n"), File("sub/b.yml", "b: 3\n"), File("c.yml", "c: 1\n")]

    def changes(files: list[File]) -> list[tuple[str, bytes | None, bool, bool]]:
        found = find_changes(tmp_path, files, update=True)
        return [(each.file.name, each.content, each.edited, each.new) for each in found]

    assert changes(newer) == [
        ("a.yml", b"a: 1\n", False, True),
        ("sub/b.yml", b"mine\n", True, True),
        ("c.yml", None, False, True),
    ]
    assert changes(FILES) == [("sub/b.yml", b"mine\n", True, False)]
