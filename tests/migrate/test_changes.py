"""Changes of several files: completed, undone, interrupted at every step, and killed at every step."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chrysaetos.migrate.changes import Store
from chrysaetos.migrate.errors import MigrateError

OLD = {"watcher.conf": b"old of watcher\n" * 1000, "site.conf": b"old of site\n", "d/more.conf": b""}
NEW = {name: data.replace(b"old", b"new") + b"end\n" for name, data in OLD.items()}
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


class Folder:
    """Three files in two directories, created if they do not exist, and their store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "d").mkdir(exist_ok=True)
        for name, data in OLD.items():
            if not (path / name).exists():
                (path / name).write_bytes(data)
        self.store = Store("watcher", [path, path / "d"], lambda: NOW)

    def commit(self, check=lambda _: None):
        contents = {self.path / name: (OLD[name], NEW[name]) for name in OLD}
        with self.store.lock():
            return self.store.commit(contents, check)

    def read(self):
        return {name: (self.path / name).read_bytes() for name in OLD}

    def names(self):
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file())


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_a_change_leaves_new_files_backups_and_a_journal(folder):
    seen = {}
    journal = folder.commit(lambda staged: seen.update({str(k): v.read_bytes() for k, v in staged.items()}))
    assert folder.read() == NEW
    assert seen == {str(folder.path / name): data for name, data in NEW.items()}
    stamp = "20260504T030201Z"
    assert folder.names() == sorted(
        [
            *OLD,
            *(f"{name}.chrysaetos-{stamp}.bak" for name in OLD),
            f"chrysaetos-migrate-watcher-{stamp}.json",
        ]
    )
    assert journal == folder.store.journals()[0]
    assert (journal.stamp, journal.state) == (stamp, "applied")
    assert {e.backup.read_bytes() for e in journal.entries} == set(OLD.values())
    assert folder.store.undo(journal) == [folder.path / name for name in OLD]
    assert folder.read() == OLD
    assert folder.store.undo(journal) == []
    assert folder.store.journals()[0].state == "undone"


def test_two_changes_in_the_same_second_have_different_names(folder):
    first = folder.commit()
    folder.store.undo(first)
    second = folder.commit()
    assert [j.stamp for j in folder.store.journals()] == [first.stamp, second.stamp]
    assert second.stamp == f"{first.stamp}-2"
    folder.store.undo(second)
    assert folder.read() == OLD


def test_a_failed_check_leaves_no_files(folder):
    def check(_):
        raise MigrateError("not what was meant")

    with pytest.raises(MigrateError, match="not what was meant"):
        folder.commit(check)
    assert folder.read() == OLD
    assert folder.names() == sorted(OLD)


def test_a_file_that_another_program_changes_is_not_replaced(folder):
    with pytest.raises(MigrateError, match="was changed by another program"):
        folder.commit(lambda _: (folder.path / "site.conf").write_bytes(b"theirs"))
    assert folder.read() == {**OLD, "site.conf": b"theirs"}
    assert folder.names() == sorted(OLD)


def test_a_failure_restores_all_files(folder, monkeypatch):
    replace = os.replace

    def fail(source, target, **kwargs):
        if Path(target).name == "more.conf" and str(source).endswith(".tmp") and not failed:
            failed.append(target)
            raise OSError(16, "Device or resource busy")
        replace(source, target, **kwargs)

    failed: list[Path] = []
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(
        MigrateError, match=r"more\.conf: cannot be replaced: .*busy; the file is a mount point"
    ):
        folder.commit()
    assert failed
    assert folder.read() == OLD
    assert folder.store.journals()[0].state == "undone"


def test_a_damaged_or_missing_backup_changes_nothing(folder):
    journal = folder.commit()
    journal.entries[1].backup.write_bytes(b"damaged")
    with pytest.raises(MigrateError, match="the backup was modified"):
        folder.store.undo(journal)
    journal.entries[1].backup.unlink()
    with pytest.raises(MigrateError, match="cannot be read: No such file"):
        folder.store.undo(journal)
    assert folder.read() == NEW


def test_a_missing_file_is_only_restored_with_force(folder):
    journal = folder.commit()
    (folder.path / "site.conf").unlink()
    with pytest.raises(MigrateError, match="was changed after the move"):
        folder.store.undo(journal)
    folder.store.undo(journal, force=True)
    assert folder.read() == OLD


def test_only_one_process_at_a_time(folder):
    with folder.store.lock(), pytest.raises(MigrateError, match="another chrysaetos migrate is running"):
        folder.commit()
    folder.commit()


def test_a_journal_of_another_program_is_rejected(folder):
    (folder.path / "chrysaetos-migrate-watcher-x.json").write_text("[]")
    with pytest.raises(MigrateError, match="is not a journal"):
        folder.store.journals()


# Run in a process of its own, which has one thread and so can fork: a child for each system call. It does not
# make the call of that number (of a write, half), and ends there. The last one makes all its calls.
CHILDREN = """
import os, sys
from pathlib import Path
from types import BuiltinFunctionType
sys.path.insert(0, sys.argv[3])
from tests.migrate.test_changes import NEW, OLD, Folder

PURE = {"fspath", "getpid", "geteuid", "getegid", "_exit", "fork"}
CALLS = [name for name, f in vars(os).items() if isinstance(f, BuiltinFunctionType) and name not in PURE]
calls = 0

def ending(name, step):
    real = getattr(os, name)
    def call(*arguments, **keywords):
        global calls
        calls += 1
        if calls == step:
            if name == "write":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            os._exit(9)
        return real(*arguments, **keywords)
    return call

status, step = 9, 0
while status == 9:
    step += 1
    path = Path(sys.argv[1]) / str(step)
    path.mkdir()
    folder = Folder(path)
    journal = folder.commit() if sys.argv[2] == "undo" else None
    child = os.fork()
    if child == 0:
        for name in CALLS:
            setattr(os, name, ending(name, step))
        folder.commit() if journal is None else folder.store.undo(journal)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status)
"""


@pytest.mark.parametrize("action", ["commit", "undo"])
def test_killed_at_any_system_call_each_file_is_old_or_new(tmp_path, action):
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", CHILDREN, str(tmp_path), action, root], check=True, timeout=120)
    states = set()
    for path in tmp_path.iterdir():
        folder = Folder(path)
        found = folder.read()
        for name, data in found.items():
            assert data in {OLD[name], NEW[name]}, f"{name} is torn after step {path.name}"
        states.add(tuple(found[name] == NEW[name] for name in OLD))
        journals = folder.store.journals()
        if found not in (OLD, NEW):
            # Some are new and some are old: a journal says what to put back.
            assert journals[-1].state == "begun"
        if journals:
            folder.store.undo(journals[-1])
        assert folder.read() == OLD
        folder.commit()
        assert folder.read() == NEW
        assert not list(path.rglob("*conf*.tmp"))
    assert len(list(tmp_path.iterdir())) > 40
    assert len(states) == len(OLD) + 1
