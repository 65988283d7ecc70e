"""The output of the command."""

import json

import pytest

from chrysaetos.findings import failed, ok
from chrysaetos.migrate.cloudkitty_service import CloudKittyService
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.output import Output
from chrysaetos.migrate.watcher_service import WatcherService


def run(form, capsys):
    output = Output(form, WatcherService(), "apply")
    output.findings([ok("files", "a")])
    output.findings([failed("roles", "none", "give one")])
    output.findings([ok("hosts", "3")])
    output.difference("a", "-x\n+y\n")
    output.restart(WatcherService(), verify=False)
    output.error("nothing was changed")
    output.close()
    return output, capsys.readouterr()


def test_text_is_printed_immediately_and_errors_separately(capsys):
    output, captured = run("table", capsys)
    assert output.status == "failed"
    assert captured.out.splitlines()[:2] == ["ok       files  a", "failed   roles  none"]
    assert "-x\n+y\n" in captured.out
    assert "verify" not in captured.out
    assert captured.err == "chrysaetos migrate: nothing was changed\n"


@pytest.mark.parametrize("form", ["table", "json"])
def test_findings_before_an_error_are_shown(form, capsys):
    def checks():
        yield failed("files", "first", "fix it")
        raise MigrateError("the server is down")

    output = Output(form, WatcherService(), "verify")
    with pytest.raises(MigrateError):
        output.findings(checks())
    output.close()
    assert output.status == "failed"
    assert "first" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("service", "unit"),
    [(WatcherService(), "watcher-decision-engine"), (CloudKittyService(), "ck-proc")],
)
def test_the_unit_in_devstack_is_the_one_that_the_plugin_creates(service, unit, capsys):
    Output("table", service, "apply").restart(service, verify=False)
    assert f"(DevStack: systemctl restart devstack@{unit};" in capsys.readouterr().out


def test_json_is_one_object_at_the_end(capsys):
    _, captured = run("json", capsys)
    assert captured.err == ""
    report = json.loads(captured.out)
    assert [finding["status"] for finding in report["findings"]] == ["ok", "failed", "ok"]
    assert (report["status"], report["error"]) == ("failed", "nothing was changed")
    assert report["differences"] == {"a": "-x\n+y\n"}
    assert "systemctl restart watcher-decision-engine" in report["restart"]["commands"]


def test_steps_actions_and_backups_are_lists(capsys, tmp_path):
    output = Output("json", WatcherService(), "apply")
    output.steps(["one", "two"])
    output.done("changed", [tmp_path])
    output.close()
    report = json.loads(capsys.readouterr().out)
    assert report["steps"] == ["one", "two"]
    assert report["done"] == [{"what": "changed", "files": [str(tmp_path)]}]
    assert report["status"] == "ok"
