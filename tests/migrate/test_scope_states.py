"""The names of scope states change in one transaction, and the times are kept."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.migrate.ratings import States

from chrysaetos.migrate.cloudkitty import Names
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.scope_states import ScopeStates, running_processors

OLD = Names("prometheus", "prometheus", "project_id")
NEW = Names("chrysaetos", "aetos", "project_id")
EARLY, LATE = "2026-05-04 03:00:00.000000", "2026-05-04 07:00:00.000000"
RATED_FURTHER = """
    UPDATE cloudkitty_storage_states SET last_processed_timestamp = '2026-05-04 07:00:00.000000'
    WHERE identifier = 'a'
"""


@pytest.fixture
def states(tmp_path):
    made = States(tmp_path / "ck.sqlite")
    made.add("a", until=EARLY)
    made.add("b", until=LATE)
    made.add("c", "gnocchi", "keystone")
    made.add("d", scope_key="domain_id")
    made.add("e", None, None, scope_key=None)
    return made


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/ck.sqlite"


def names(states):
    return {row[0]: (row[2], row[3], row[4]) for row in states.read()}


def test_states_get_the_new_names_and_keep_their_times(states, url):
    change = ScopeStates(url, OLD, NEW)
    assert (
        change.step
        == "database: 2 scope states are moved from prometheus and prometheus to chrysaetos and aetos"
    )
    assert [finding.status.value for finding in change.check()] == ["ok"]
    before = names(states)
    change.apply()
    moved = {"a": ("chrysaetos", "aetos", EARLY), "b": ("chrysaetos", "aetos", LATE)}
    assert names(states) == {**before, **moved}
    change.undo()
    assert names(states) == before
    change.undo()
    assert names(states) == before


def test_undo_keeps_the_times_of_new_states(states, url):
    change = ScopeStates(url, OLD, NEW)
    change.apply()
    states.execute(RATED_FURTHER)
    states.add("new", "chrysaetos", "aetos", until=LATE)
    ScopeStates.from_data(url, change.data).undo()
    assert names(states)["a"] == ("prometheus", "prometheus", LATE)
    assert names(states)["new"] == ("prometheus", "prometheus", LATE)


def test_states_with_the_new_names_prevent_the_change(states, url):
    states.add("x", "chrysaetos", "aetos")
    change = ScopeStates(url, OLD, NEW)
    (found,) = change.check()
    assert found.status.value == "failed"
    assert "1 scopes already have a state for chrysaetos and aetos: x" in found.found
    before = states.read()
    with pytest.raises(MigrateError, match="there already are scope states for chrysaetos and aetos"):
        change.apply()
    assert states.read() == before


@pytest.mark.parametrize(
    "statement",
    [
        RATED_FURTHER,
        "DELETE FROM cloudkitty_storage_states WHERE identifier='a'",
    ],
)
def test_a_processor_on_another_machine_is_detected(states, url, statement):
    change = ScopeStates(url, OLD, NEW)
    states.execute(statement)
    before = states.read()
    with pytest.raises(MigrateError, match="have changed"):
        change.apply()
    assert states.read() == before


def test_a_scope_with_both_states_prevents_undo(states, url):
    change = ScopeStates(url, OLD, NEW)
    change.apply()
    states.add("a")
    before = states.read()
    with pytest.raises(MigrateError, match="and for chrysaetos and aetos: a; delete one"):
        change.undo()
    assert states.read() == before


@pytest.mark.usefixtures("states")
def test_unmoved_scopes(url):
    assert ScopeStates(url, NEW, NEW).unmoved_scopes() == ["a", "b"]
    ScopeStates(url, OLD, NEW).apply()
    assert ScopeStates(url, NEW, NEW).unmoved_scopes() == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/at/all.sqlite", "failed: OperationalError"),
        ("nonsense", "run this in CloudKitty's environment"),
        ("mysql+none://u:geheim@h/d", "run this in CloudKitty's environment"),
    ],
)
def test_errors_of_the_database_do_not_show_its_url(url, message):
    with pytest.raises(MigrateError) as caught:
        ScopeStates(url, OLD, NEW)
    assert message in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_database_without_the_table(tmp_path):
    with pytest.raises(MigrateError, match="check that the database is running"):
        ScopeStates(f"sqlite:///{tmp_path}/empty.sqlite", OLD, NEW)


@pytest.mark.usefixtures("states")
def test_a_processor_on_this_machine_is_detected(url, tmp_path):
    change = ScopeStates(url, OLD, NEW)
    program = tmp_path / "cloudkitty-processor"
    program.write_text("import sys\nprint(flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid in running_processors()
        (found,) = change.blockers()
        process.communicate()
    assert f"process {process.pid}" in found.found
    assert "systemctl stop cloudkitty-processor" in found.remedy
    assert process.pid not in running_processors()


def test_other_programs_are_not_processors(tmp_path):
    for number, line in enumerate([b"vim\0x\0cloudkitty-processor\0", b"cloudkitty-processor-x\0", b""]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes(line)
    assert running_processors(tmp_path) == []
    assert running_processors(Path("/nowhere")) == []
