"""The names of scope states: changed whole or not at all, with their times kept."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.migrate.ratings import States

from chrysaetos.migrate.cloudkitty import Names
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.scope_states import ScopeStates, processors

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


def test_those_of_the_old_names_get_the_new_ones_and_keep_their_time(states, url):
    change = ScopeStates(url, OLD, NEW)
    assert (
        change.step
        == "database: 2 scope states of prometheus and prometheus become those of chrysaetos and aetos"
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


def test_going_back_keeps_what_was_rated_meanwhile(states, url):
    change = ScopeStates(url, OLD, NEW)
    change.apply()
    states.execute(RATED_FURTHER)
    states.add("new", "chrysaetos", "aetos", until=LATE)
    ScopeStates.from_data(url, change.data).undo()
    assert names(states)["a"] == ("prometheus", "prometheus", LATE)
    assert names(states)["new"] == ("prometheus", "prometheus", LATE)


def test_states_of_the_new_names_are_in_the_way(states, url):
    states.add("x", "chrysaetos", "aetos")
    change = ScopeStates(url, OLD, NEW)
    (found,) = change.check()
    assert found.status.value == "failed"
    assert "1 scopes have a state for chrysaetos and aetos already: x" in found.found
    before = states.read()
    with pytest.raises(MigrateError, match="there are scope states for chrysaetos and aetos already"):
        change.apply()
    assert states.read() == before


@pytest.mark.parametrize(
    "statement",
    [
        RATED_FURTHER,
        "DELETE FROM cloudkitty_storage_states WHERE identifier='a'",
    ],
)
def test_a_processor_elsewhere_is_noticed_by_what_it_changes(states, url, statement):
    change = ScopeStates(url, OLD, NEW)
    states.execute(statement)
    before = states.read()
    with pytest.raises(MigrateError, match="changed in the meantime"):
        change.apply()
    assert states.read() == before


def test_a_scope_with_a_state_of_each_stops_the_way_back(states, url):
    change = ScopeStates(url, OLD, NEW)
    change.apply()
    states.add("a")
    before = states.read()
    with pytest.raises(MigrateError, match="and for chrysaetos and aetos: a; delete one"):
        change.undo()
    assert states.read() == before


@pytest.mark.usefixtures("states")
def test_scopes_that_were_left_behind(url):
    assert ScopeStates(url, NEW, NEW).left_behind() == ["a", "b"]
    ScopeStates(url, OLD, NEW).apply()
    assert ScopeStates(url, NEW, NEW).left_behind() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/at/all.sqlite", "does not answer: OperationalError"),
        ("nonsense", "run this in CloudKitty's environment"),
        ("mysql+none://u:geheim@h/d", "run this in CloudKitty's environment"),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_url(url, said):
    with pytest.raises(MigrateError) as caught:
        ScopeStates(url, OLD, NEW)
    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_another_database_is_told(tmp_path):
    with pytest.raises(MigrateError, match="see that it runs, and that it is CloudKitty's"):
        ScopeStates(f"sqlite:///{tmp_path}/empty.sqlite", OLD, NEW)


@pytest.mark.usefixtures("states")
def test_a_processor_on_this_machine_is_found(url, tmp_path):
    change = ScopeStates(url, OLD, NEW)
    program = tmp_path / "cloudkitty-processor"
    program.write_text("import sys\nprint(flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.pid in processors()
        (found,) = change.busy()
        process.communicate()
    assert f"process {process.pid}" in found.found
    assert "systemctl stop cloudkitty-processor" in found.remedy
    assert process.pid not in processors()


def test_other_programs_are_no_processors(tmp_path):
    for number, line in enumerate([b"vim\0x\0cloudkitty-processor\0", b"cloudkitty-processor-x\0", b""]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes(line)
    assert processors(tmp_path) == []
    assert processors(Path("/nowhere")) == []
