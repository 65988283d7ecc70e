"""``chrysaetos usage credits``."""

import getpass
import os
from contextlib import closing

import pytest

from chrysaetos.cli.main import main
from chrysaetos.usage.credits import CreditLedger
from chrysaetos.usage.grants import FILE, read_grants
from chrysaetos.usage.records import Project

CREDITS = ["usage", "credits"]


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("USAGE_EXPORTER_STATE", str(tmp_path))
    return tmp_path


def test_credits_are_granted_and_shown(directory, capsys):
    assert main([*CREDITS, "grant", "p1", "vcpu", "100", "--why", "ticket 7", "--until", "2999-01-01"]) == 0
    assert capsys.readouterr().out.startswith("granted 100 vcpu hours to p1 (grant ")
    (grant,) = read_grants(directory / FILE)
    assert (grant.by, grant.why, grant.until) == (getpass.getuser(), "ticket 7", 32472144000.0)
    ledger = CreditLedger(directory)
    ledger.charge(grant.granted, grant.granted + 1, dict, [Project("p1", "weather", "d", "default")])
    ledger.close()
    assert main(CREDITS) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["project", "name", "resource", "granted", "used", "left"]
    assert line.split() == ["p1", "weather", "vcpu", "100.00", "0.00", "100.00"]
    assert main([*CREDITS, "grants"]) == 0
    assert "p1  +100 vcpu hours  until 2999-01-01T00:00:00Z" in capsys.readouterr().out


@pytest.mark.usefixtures("directory")
def test_large_grants_are_shown_exactly(capsys):
    assert main([*CREDITS, "grant", "p1", "mb", "12345678.5", "--why", "x"]) == 0
    assert main([*CREDITS, "grants"]) == 0
    granted, listed = capsys.readouterr().out.splitlines()
    assert "granted 12345678.5 mb hours" in granted
    assert "  +12345678.5 mb hours  " in listed


def test_control_characters_in_names_are_not_printed(directory, capsys):
    assert (
        main([*CREDITS, "grant", " p1/\x1b]0;x\x07", "vcpu", "100", "--why", "\x1b[2J", "--by", "\x1b[31m"])
        == 0
    )
    assert main([*CREDITS, "grant", "p1", "vcpu", "100", "--why", "x"]) == 0
    with closing(CreditLedger(directory)) as ledger:
        (_, grant) = read_grants(directory / FILE)
        ledger.charge(grant.granted, grant.granted + 1, dict, [Project("p1", "a\x1b[31m\nb", "d", "default")])
    capsys.readouterr()
    assert main(CREDITS) == 0
    assert main([*CREDITS, "grants"]) == 0
    printed = capsys.readouterr().out
    assert "p1/ ]0;x " in printed
    assert "a [31m b" in printed
    assert "\x1b" not in printed


def test_a_correction_by_somebody_else(directory):
    assert main([*CREDITS, "grant", "p1", "mb", "--why", "typing error", "--by", "ada", "--", "-5"]) == 0
    (grant,) = read_grants(directory / FILE)
    assert (grant.hours, grant.by, grant.until) == (-5, "ada", None)


@pytest.mark.parametrize(
    "arguments",
    [
        ["grant", "p1", "vcpu", "0", "--why", "x"],
        ["grant", "p1", "vcpu", "1", "--why", " "],
        ["grant", "p1", "vcpu", "1", "--why", "x", "--until", "2001-01-01"],
        ["grant", "p1", "vcpu", "1", "--why", "x", "--until", "soon"],
        ["grant", "p1", "vcpu", "1", "--why", "x", "--until", "9999-12-31T23:00:00-02:00"],
    ],
)
def test_an_invalid_grant_is_an_error(directory, capsys, arguments):
    assert main([*CREDITS, *arguments]) == 1
    assert capsys.readouterr().err.startswith("chrysaetos usage credits: ")
    assert not (directory / FILE).exists()


def test_a_directory_that_does_not_exist(directory, capsys):
    for action in ([], ["grants"], ["grant", "p1", "vcpu", "1", "--why", "x"]):
        assert main([*CREDITS, "--state", str(directory / "none"), *action]) == 1
        assert "start the exporter first" in capsys.readouterr().err


def test_a_directory_that_cannot_be_used(directory, capsys):
    # Unlike a directory without permissions, this is an error for root as well.
    for action in ([], ["grants"], ["grant", "p1", "vcpu", "1", "--why", "x"]):
        assert main([*CREDITS, "--state", str(directory / ("x" * 300)), *action]) == 1
        assert "File name too long" in capsys.readouterr().err


def test_an_unknown_project_is_a_warning(directory, capsys):
    def warning_of(project_id):
        assert main([*CREDITS, "grant", project_id, "vcpu", "1", "--why", "x"]) == 0
        return capsys.readouterr().err

    assert warning_of("p2") == ""  # the exporter has not run yet
    with closing(CreditLedger(directory)) as ledger:
        now = read_grants(directory / FILE)[0].granted
        ledger.charge(now, now + 1, dict, [Project("p1", "weather", "d", "default")])
    assert warning_of("p1") == warning_of("p1/part") == ""
    assert "has not seen a project with this id" in warning_of("p2")
    assert "has not seen a project with this id" in warning_of("p2/p1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner")
def test_what_root_grants_and_lists_stays_readable_for_the_exporter(directory):
    os.chown(directory, 4001, 4002)
    assert main([*CREDITS, "grant", "p1", "vcpu", "100", "--why", "ticket 7"]) == 0
    assert main(CREDITS) == 0
    assert {(path.name, path.stat().st_uid) for path in directory.iterdir()} == {
        ("credits.jsonl", 4001),
        ("credits.sqlite", 4001),
    }
