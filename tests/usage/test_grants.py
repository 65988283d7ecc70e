"""The file of grants: appended, never changed."""

import json
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"project_id": " "},
        {"by": ""},
        {"why": ""},
        {"resource": "gpu"},
        {"hours": 0.0},
        {"hours": float("nan")},
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
