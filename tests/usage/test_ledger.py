"""The ledger: no usage is counted twice or lost."""

import sqlite3
import stat
from contextlib import closing

import pytest

from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.records import Project, ServerUsage, UsageError

PROJECT = Project("p", "one", "d", "default")
START = 1000.0


def usage(instance="i", *, vcpus=2, hours=1.0, exists=True):
    return ServerUsage(instance, "p", vcpus, 512, 0, hours, 900.0, exists)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    with closing(Ledger(path, source="cloud", start=START)) as opened:
        yield opened


def stored(ledger):
    return {(entry.instance_id, entry.vcpus): (entry.hours, entry.exists) for entry in ledger.usages()}


def test_a_new_ledger_counts_from_the_start_date(ledger, path):
    assert ledger.counted_until == START
    assert list(ledger.usages()) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_windows_add_up(ledger):
    ledger.add(2000, [usage(), usage("j", hours=0.5)], [PROJECT], {})
    ledger.add(3000, [usage()], [PROJECT], {})
    assert stored(ledger) == {("i", 2): (2.0, True), ("j", 2): (0.5, False)}
    assert ledger.counted_until == 3000


def test_a_resize_counts_from_its_window(ledger):
    ledger.add(2000, [usage()], [PROJECT], {})
    ledger.add(3000, [usage(vcpus=8)], [PROJECT], {})
    assert stored(ledger) == {("i", 2): (1.0, False), ("i", 8): (1.0, True)}


def test_an_archived_server_stays_counted(ledger):
    ledger.add(2000, [usage()], [PROJECT], {})
    ledger.add(3000, [], [PROJECT], {})
    assert stored(ledger) == {("i", 2): (1.0, False)}


def test_all_data_survives_a_restart(path):
    with closing(Ledger(path, source="cloud", start=START)) as first:
        first.add(2000, [usage()], [PROJECT], {"i": "svm"})
    with closing(Ledger(path, source="cloud", start=START)) as second:
        assert stored(second) == {("i", 2): (1.0, True)}
        assert second.projects() == [PROJECT]
        assert second.names() == {"i": "svm"}
        assert second.counted_until == 2000


def test_projects_are_replaced_and_names_are_kept(ledger):
    ledger.add(2000, [], [PROJECT, Project("q", "two", "d", "default")], {"i": "a"})
    ledger.add(3000, [], [PROJECT._replace(name="renamed")], {"j": "b"})
    assert ledger.projects() == [PROJECT._replace(name="renamed")]
    assert ledger.names() == {"i": "a", "j": "b"}


def test_a_failed_window_adds_nothing(ledger):
    def broken():
        yield usage()
        raise UsageError("cut")

    with pytest.raises(UsageError, match="cut"):
        ledger.add(2000, broken(), [PROJECT], {})
    assert list(ledger.usages()) == []
    assert ledger.counted_until == START
    ledger.add(2000, [usage()], [PROJECT], {})
    assert stored(ledger) == {("i", 2): (1.0, True)}


def test_a_clock_that_was_set_back_is_an_error(ledger):
    ledger.add(2000, [usage()], [PROJECT], {})
    with pytest.raises(UsageError, match="clock") as caught:
        ledger.add(1999, [usage()], [PROJECT], {})
    assert caught.value.reason == "clock"


def test_another_source_or_start_date_is_rejected(path):
    Ledger(path, source="cloud", start=START).close()
    with pytest.raises(UsageError, match="belongs to cloud, not to another"):
        Ledger(path, source="another", start=START)
    with pytest.raises(UsageError, match="counts from 1000"):
        Ledger(path, source="cloud", start=START + 1)


def test_only_one_process_can_open_the_ledger(ledger, path):
    ledger.add(2000, [usage()], [PROJECT], {})
    with pytest.raises(UsageError, match="cannot be used"):
        Ledger(path, source="cloud", start=START)


def test_a_file_that_is_not_a_ledger_is_rejected(path):
    path.write_text("not a database, but long enough to be read" * 100)
    with pytest.raises(UsageError, match="damaged or not a ledger"):
        Ledger(path, source="cloud", start=START)


def damage(path):
    """Overwrite all pages but the first six, which the schema and the facts need."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(6 * 4096)
        file.write(b"\xa5" * (size - 6 * 4096))


def test_a_damaged_page_is_found_at_the_start(path):
    with closing(Ledger(path, source="cloud", start=START)) as ledger:
        ledger.add(2000, [usage(f"server-{number}") for number in range(2000)], [PROJECT], {})
    damage(path)
    with pytest.raises(UsageError, match=r"ledger\.sqlite is damaged or not a ledger \(.*\): move it away"):
        Ledger(path, source="cloud", start=START)


def test_a_page_that_is_damaged_later_is_an_error(path):
    with closing(Ledger(path, source="cloud", start=START)) as ledger:
        ledger.add(2000, [usage(f"server-{number}") for number in range(2000)], [PROJECT], {})
        ledger._database.execute("PRAGMA cache_size = 1")
        ledger._database.execute("PRAGMA shrink_memory")
        damage(path)
        with pytest.raises(UsageError, match=r"ledger\.sqlite is damaged .*restore the file from a backup"):
            list(ledger.usages())


def test_a_newer_version_is_rejected(path):
    Ledger(path, source="cloud", start=START).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(UsageError, match="has version 9"):
        Ledger(path, source="cloud", start=START)


def test_a_full_disk_is_an_error_and_loses_nothing(ledger):
    ledger.add(2000, [usage()], [PROJECT], {})
    pages = ledger._database.execute("PRAGMA page_count").fetchone()[0]
    ledger._database.execute(f"PRAGMA max_page_count = {pages}")
    many = [usage(f"instance-{number:05}") for number in range(5000)]
    with pytest.raises(UsageError, match="full") as caught:
        ledger.add(3000, many, [PROJECT], {})
    assert caught.value.reason == "ledger"
    assert ledger.counted_until == 2000
    ledger._database.execute("PRAGMA max_page_count = 1000000")
    ledger.add(3000, many, [PROJECT], {})
    assert sum(1 for _ in ledger.usages()) == 5001


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be opened"):
        Ledger(tmp_path / "none" / "ledger.sqlite", source="cloud", start=START)
