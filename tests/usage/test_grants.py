"""The file of grants: appended, never changed."""

import json
import os
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from chrysaetos.usage.grants import append_grant, read_grants
from chrysaetos.usage.records import UsageError

GIVEN: dict[str, Any] = {
    "project_id": "p",
    "resource": "vcpu",
    "hours": 10.0,
    "now": 100.0,
    "until": 200.0,
    "by": "ada",
    "why": "x",
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "credits.jsonl"


def test_grants_are_appended_with_who_and_why(file):
    first = append_grant(file, **GIVEN)
    before = file.read_bytes()
    second = append_grant(file, **{**GIVEN, "hours": -5.0, "until": None, "why": "é\n"})
    assert file.read_bytes().startswith(before)
    assert read_grants(file) == [first, second]
    assert (first.by, first.why, second.why) == ("ada", "x", "é\n")
    assert file.stat().st_mode & 0o777 == 0o640


def test_there_are_no_grants_without_a_file(file):
    assert read_grants(file) == []


def test_grants_at_the_same_time_are_all_kept(file):
    threads = [Thread(target=append_grant, args=(file,), kwargs=GIVEN) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_grants(file)) == 20


def test_a_grant_that_was_written_in_part_is_ignored_and_removed(file):
    first = append_grant(file, **GIVEN)
    with file.open("a") as stream:
        stream.write('{"id": "abc", "proj')
    assert read_grants(file) == [first]
    second = append_grant(file, **GIVEN)
    assert read_grants(file) == [first, second]


@pytest.mark.parametrize("part", [b'{"id": "abc", "proj', '{"id": "é'.encode()[:-1]])
def test_a_part_of_a_grant_is_ignored_wherever_it_ends(file, part):
    first = append_grant(file, **GIVEN)
    with file.open("ab") as stream:
        stream.write(part)
    assert read_grants(file) == [first]


def test_a_complete_last_line_without_a_newline_is_a_grant_and_is_kept(file):
    first = append_grant(file, **GIVEN)
    second = append_grant(file, **GIVEN)
    file.write_text(file.read_text().rstrip("\n"))  # as an editor writes it
    assert read_grants(file) == [first, second]
    third = append_grant(file, **GIVEN)
    assert read_grants(file) == [first, second, third]


def test_a_grant_that_does_not_fit_on_the_disk_is_removed(file, monkeypatch):
    first = append_grant(file, **GIVEN)
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, line: write(file, line[:-1]))
        with pytest.raises(UsageError, match="disk is full"):
            append_grant(file, **GIVEN)
    assert read_grants(file) == [first]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
@pytest.mark.parametrize("existing", [True, False])
def test_a_file_that_root_writes_belongs_to_the_user_of_the_exporter(file, existing):
    if existing:
        file.touch()
    os.chown(file.parent, 4001, 4002)
    append_grant(file, **GIVEN)
    assert (file.stat().st_uid, file.stat().st_gid) == (4001, 4002)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_root_gives_no_other_file_away_through_a_link(file, tmp_path_factory, link):
    other = tmp_path_factory.mktemp("other") / "file"
    other.touch()
    link(file, other)
    os.chown(file.parent, 4001, 4002)
    with suppress(UsageError):
        append_grant(file, **GIVEN)
    assert other.stat().st_uid == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"project_id": " "},
        {"by": ""},
        {"why": ""},
        {"resource": "gpu"},
        {"hours": 0.0},
        {"hours": float("nan")},
        {"hours": 10**400},
        {"until": 100.0},
        {"until": float("inf")},
    ],
)
def test_an_invalid_grant_is_not_written(file, wrong):
    with pytest.raises(UsageError) as caught:
        append_grant(file, **{**GIVEN, **wrong})
    assert caught.value.reason == "credits"
    assert not file.exists()


@pytest.mark.parametrize("line", ["", "{}", "[]", "x", '{"id": 1}'])
def test_an_invalid_line_is_named(file, line):
    append_grant(file, **GIVEN)
    with file.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(UsageError, match="line 2 is not a grant"):
        read_grants(file)


def test_two_grants_of_one_id(file):
    append_grant(file, **GIVEN)
    file.write_text(file.read_text() * 2)
    assert json.loads(file.read_text().splitlines()[0])["hours"] == 10
    with pytest.raises(UsageError, match="same id"):
        read_grants(file)


@pytest.mark.parametrize("times", [{"granted": -1}, {"until": 1e300}])
def test_times_that_cannot_be_shown_are_rejected(file, times):
    append_grant(file, **GIVEN)
    file.write_text(json.dumps({**json.loads(file.read_text()), **times}))
    with pytest.raises(UsageError, match="line 1 is not a grant: granted and until are not between"):
        read_grants(file)
