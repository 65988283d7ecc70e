"""``chrysaetos migrate``: the whole command, with files and without a network."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from oslo_config import cfg, types
from tests.migrate.cases import CASES, Case
from tests.migrate.deployment import Deployment

from chrysaetos.cli.main import main
from chrysaetos.migrate import changes
from chrysaetos.migrate import main as migrate_main

CHOICES = ["gnocchi", "monasca", "grafana", "prometheus", "aetos"]
DEFAULTS = {15: ["gnocchi", "monasca", "grafana", "prometheus"], 16: ["gnocchi", "grafana", "aetos"]}


def watcher_reads(arguments: list[str], release: int) -> cfg.ConfigOpts:
    """Read the moved settings with Watcher's own options (15.0.0 to 17.0.0)."""
    conf = cfg.ConfigOpts()
    conf(arguments, project="watcher", default_config_files=[], default_config_dirs=[])
    item = types.String(choices=CHOICES)
    default = DEFAULTS[min(release, 16)]
    conf.register_opt(
        cfg.ListOpt("datasources", item_type=item, default=default), group="watcher_datasources"
    )
    for strategy in ("basic", "workload_balance", "noisy_neighbor"):
        group = f"watcher_strategies.{strategy}"
        conf.register_opt(cfg.ListOpt("datasources", item_type=item), group=group)
    for group in ("aetos_client", "prometheus_client"):
        conf.register_opt(cfg.StrOpt("fqdn_label", default="fqdn"), group=group)
        conf.register_opt(cfg.StrOpt("instance_uuid_label", default="resource"), group=group)
    conf.register_opt(cfg.StrOpt("interface", default="public"), group="aetos_client")
    conf.register_opt(cfg.StrOpt("region_name"), group="aetos_client")
    conf.register_opt(cfg.StrOpt("host"), group="prometheus_client")
    return conf


@pytest.fixture(params=CASES, ids=[case.name for case in CASES])
def deployment(request, tmp_path, monkeypatch):
    case: Case = request.param
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value)
    return Deployment(tmp_path, case)


def test_watcher_reads_the_moved_settings_and_rollback_restores_every_byte(deployment, capsys):
    case = deployment.case
    before = deployment.contents()
    apply = ["--offline", "--yes", *case.arguments]

    assert deployment.run("check", "--offline", *case.arguments) == (1 if case.forced else 0)
    assert deployment.run("plan", *case.arguments) == (1 if case.forced else 0)
    assert deployment.contents() == before
    if case.forced:
        assert deployment.run("apply", *apply) == 1
        assert deployment.contents() == before
        apply.append("--force")
    assert deployment.run("apply", *apply) == 0

    conf = watcher_reads(deployment.oslo_arguments, case.release)
    assert {(group, key): conf[group][key] for group, key in case.reads} == case.reads
    assert conf.prometheus_client.host is None
    moved = deployment.contents()
    for name, content in case.has.items():
        assert moved[name][0] == (content if isinstance(content, bytes) else content.encode()), name
    for name, (_, *others) in moved.items():
        assert others == list(before[name][1:])
    for name in case.files:
        path, _, target = name.partition(" -> ")
        assert not target or str((deployment.folder / path).readlink()) == target

    capsys.readouterr()
    assert deployment.run("apply", *apply) == 0
    assert deployment.contents() == moved
    assert "backup" not in capsys.readouterr().out

    assert deployment.run("rollback", "--yes") == 0
    assert deployment.contents() == before
    assert deployment.run("rollback", "--yes") == 0
    assert deployment.contents() == before
    assert not list(deployment.folder.rglob("*.tmp"))


def test_there_are_enough_cases():
    assert len(CASES) >= 30
    assert len({case.name for case in CASES}) == len(CASES)


PLAIN = CASES[0]


@pytest.fixture
def plain(tmp_path):
    return Deployment(tmp_path, PLAIN)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbf[DEFAULT]\n", "byte order mark"),
        (b"[DEFAULT]\nname = \xff\n", "line 2: byte 0xff is not UTF-8"),
        (b"[DEFAULT]\nname\n", "line 2: has neither = nor :"),
        (b"[DEFAULT] # all\n", "line 1: should only have a section's name in brackets"),
        (b"[]\n", "line 1: should only have a section's name"),
        (b"a = b\n", "line 1: is a setting before the first section"),
        (b"[DEFAULT]\n\n  more\n", "line 3: is indented"),
        (b"[DEFAULT]\n = more\n", "line 2: is indented"),
        (b"[DEFAULT]\n= more\n", "line 2: has no name"),
        (b"[watcher_datasources]\ndatasources = prometheus # for now\n", "'prometheus # for now'"),
        (b"[watcher_datasources]\ndatasources = prometheus,\n  # others\n  gnocchi\n", "'# others"),
        (b"[watcher_datasources]\ndatasources = [prometheus]\n", "'[prometheus]'"),
        (b"[watcher_datasources]\ndatasources = $other\n", "'$other'"),
        (
            b"[watcher_datasources]\ndatasources=prometheus\n[prometheus_client]\nfqdn_label = $host\n",
            "is a reference",
        ),
    ],
)
def test_invalid_files_are_rejected_with_their_location(tmp_path, capsys, content, message):
    path = tmp_path / "watcher.conf"
    path.write_bytes(content)
    for action in ("check", "plan", "apply"):
        arguments = ["migrate", "watcher", action, "--conf", str(path), "--offline", "--release", "17"]
        assert main([*arguments, *(["--yes"] if action == "apply" else [])]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"chrysaetos migrate: {path}")
        assert message in error
        assert error.count("\n") == 1
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_or_directory_is_an_error(tmp_path, capsys):
    for option, message in (("--conf", "check the name"), ("--conf-dir", "no such directory")):
        assert main(["migrate", "watcher", "check", option, str(tmp_path / "none")]) == 1
        error = capsys.readouterr().err
        assert str(tmp_path / "none") in error
        assert message in error
    assert main(["migrate", "watcher", "plan", "--conf-dir", str(tmp_path)]) == 1
    assert "no configuration file in" in capsys.readouterr().err
    assert main(["migrate", "watcher", "plan", "--conf", str(tmp_path)]) == 1
    assert "use --conf-dir" in capsys.readouterr().err


def test_the_default_files_are_those_of_the_service(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".watcher"
    (folder / "watcher.conf.d").mkdir(parents=True)
    (folder / "watcher.conf").write_text("[watcher_datasources]\ndatasources = gnocchi\n")
    (folder / "watcher.conf.d" / "site.conf").write_text("[watcher_datasources]\ndatasources = prometheus\n")
    assert main(["migrate", "watcher", "plan", "--release", "17"]) == 0
    out = capsys.readouterr().out
    assert f"{folder}/watcher.conf.d/site.conf:2 [watcher_datasources] datasources: prometheus" in out


def test_unset_datasources_with_an_unknown_release(tmp_path, capsys, monkeypatch):
    path = tmp_path / "watcher.conf"
    path.write_text("[prometheus_client]\nhost = h\n")
    monkeypatch.setattr("chrysaetos.migrate.installed_watcher.metadata.version", lambda _: "unknown")
    assert main(["migrate", "watcher", "plan", "--conf", str(path)]) == 1
    assert "pass the release with --release" in capsys.readouterr().out


def test_nothing_to_move(tmp_path, capsys):
    path = tmp_path / "watcher.conf"
    path.write_text("[watcher_datasources]\ndatasources = gnocchi\n[prometheus_client]\nhost = h\n")
    arguments = ["--conf", str(path), "--release", "17"]
    assert main(["migrate", "watcher", "apply", "--offline", "--yes", *arguments]) == 0
    assert "neither prometheus nor aetos is used" in capsys.readouterr().out
    assert path.read_text().endswith("\n[prometheus_client]\nhost = h\n")


def test_release_14_does_not_have_the_datasource(plain, capsys):
    arguments = ["--conf", str(plain.folder / "watcher.conf"), "--offline", "--release", "14"]
    assert main(["migrate", "watcher", "check", *arguments]) == 1
    assert "first upgrade Watcher to 15" in capsys.readouterr().out


def test_secrets_are_not_shown(tmp_path, capsys):
    path = tmp_path / "watcher.conf"
    path.write_text(
        "[watcher_datasources]\n"
        "transport_url = rabbit://guest:geheim1@host/\n"
        "datasources = prometheus\n"
        "[prometheus_client]\n"
        "username = u\n"
        "password = geheim2,\n   geheim3 = x\n"
        "# password = geheim4\n"
        "host = https://u:gehe/im5@host\n"
        "[database]\nconnection = mysql://w:geheim6@db/watcher\n"
    )
    arguments = ["--conf", str(path), "--release", "17"]
    for form in ("table", "json"):
        main(["migrate", "watcher", "plan", *arguments, "-f", form])
        main(["migrate", "watcher", "apply", "--offline", "--yes", *arguments, "-f", form])
        main(["migrate", "watcher", "rollback", "--yes", "--conf", str(path), "-f", form])
        main(["migrate", "watcher", "verify", *arguments, "-f", form])
        captured = capsys.readouterr()
        assert "password = ***" in captured.out
        assert "gehe" not in captured.out + captured.err


def test_json_is_one_object_per_action(plain, capsys):
    assert plain.run("check", "--offline", "-f", "json") == 0
    checked = json.loads(capsys.readouterr().out)
    assert (checked["service"], checked["action"], checked["status"]) == ("watcher", "check", "ok")
    assert {finding["check"] for finding in checked["findings"]} == {
        "files",
        "configuration",
        "release",
        "cloud",
    }
    assert plain.run("plan", "-f", "json") == 0
    planned = json.loads(capsys.readouterr().out)
    path = str(plain.folder / "watcher.conf")
    assert "+datasources = aetos" in planned["differences"][path].splitlines()
    assert len(planned["steps"]) == 4
    assert plain.run("apply", "--offline", "--yes", "-f", "json") == 0
    applied = json.loads(capsys.readouterr().out)
    backup = applied["backup"]["files"][path]
    assert Path(backup).read_text() == PLAIN.files["watcher.conf"]
    assert applied["restart"]["service"] == "watcher-decision-engine"
    assert plain.run("rollback", "--yes", "-f", "json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == [{"what": "restored", "files": [path]}]
    assert main(["migrate", "watcher", "rollback", "--yes", "-f", "json", "--conf", path, "--to", "x"]) == 1
    refused = json.loads(capsys.readouterr().out)
    assert refused["status"] == "failed"
    assert refused["error"].startswith("there is no backup x; the backups are: 20")


def test_yes_is_required_without_a_terminal(plain, capsys):
    before = plain.contents()
    assert plain.run("apply", "--offline") == 2
    assert plain.run("rollback") == 2
    assert capsys.readouterr().err.count("--yes") == 2
    assert plain.contents() == before


def test_confirmation_on_a_terminal(plain, capsys, monkeypatch):
    before = plain.contents()

    class Terminal:
        answer = "n\n"

        def isatty(self):
            return True

        def readline(self):
            return self.answer

    terminal = Terminal()
    monkeypatch.setattr("sys.stdin", terminal)
    assert plain.run("apply", "--offline") == 1
    assert plain.contents() == before
    terminal.answer = "yes\n"
    assert plain.run("apply", "--offline") == 0
    moved = plain.contents()
    assert moved != before
    terminal.answer = "\n"
    assert plain.run("rollback") == 1
    assert plain.contents() == moved
    terminal.answer = "y\n"
    assert plain.run("rollback") == 0
    assert plain.contents() == before
    assert "Change these files? [y/N]" in capsys.readouterr().out


def test_a_named_backup_is_restored_and_edited_files_only_with_force(plain, capsys):
    path = plain.folder / "watcher.conf"
    before = path.read_bytes()
    assert plain.run("apply", "--offline", "--yes") == 0
    backup = next(plain.folder.glob("*.bak"))
    edited = path.read_bytes() + b"[api]\nport = 1\n"
    path.write_bytes(edited)
    capsys.readouterr()
    assert plain.run("rollback", "--yes", "--to", str(backup)) == 1
    error = capsys.readouterr().err
    assert "was changed after the move" in error
    assert "or run rollback --force, which keeps" in error
    assert path.read_bytes() == edited
    assert plain.run("rollback", "--yes", "--to", str(backup), "--force") == 0
    assert path.read_bytes() == before
    assert edited in {copy.read_bytes() for copy in plain.folder.glob("*.bak")}


def test_rollback_without_a_backup_fails(plain, capsys):
    assert plain.run("rollback", "--yes") == 1
    assert "there is no backup next to these files" in capsys.readouterr().err


def test_the_restart_is_described(plain, capsys):
    assert plain.run("apply", "--offline", "--yes") == 0
    out = capsys.readouterr().out
    assert "Now restart watcher-decision-engine: systemctl restart watcher-decision-engine" in out
    assert "backup: " in out


def test_hard_links_are_a_warning(plain, capsys):
    os.link(plain.folder / "watcher.conf", plain.folder / "other")
    assert plain.run("check", "--offline") == 0
    assert "has 2 hard links" in capsys.readouterr().out


def test_verify_before_the_move(plain, capsys):
    assert plain.run("verify") == 1
    assert "not moved yet" in capsys.readouterr().out


def test_check_finds_a_directory_that_is_not_writable(plain, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != plain.folder)
    assert plain.run("check", "--offline") == 1
    assert f"{plain.folder}: cannot write to this directory" in capsys.readouterr().out


def test_missing_names_in_the_metric_map_are_a_warning(tmp_path, capsys):
    (tmp_path / "map$.yaml").write_text("prometheus: {instance_cpu_usage: vm_cpu}\n")
    path = tmp_path / "watcher.conf"
    path.write_text(
        f"[watcher_decision_engine]\nmetric_map_path = {tmp_path}/map$$.yaml\n"
        "[watcher_datasources]\ndatasources = prometheus\n"
    )
    assert main(["migrate", "watcher", "check", "--offline", "--release", "17", "--conf", str(path)]) == 0
    assert "copy them from the section prometheus to the section aetos" in capsys.readouterr().out


def test_a_move_interrupted_between_two_files_is_undone_and_repeated(tmp_path, capsys):
    labels, datasources = tmp_path / "labels.conf", tmp_path / "watcher.conf"
    labels.write_text("[prometheus_client]\nfqdn_label = node\n")
    datasources.write_text("[watcher_datasources]\ndatasources = prometheus\n[aetos_client]\n")
    before = labels.read_bytes(), datasources.read_bytes()
    arguments = ["--conf", str(labels), "--conf", str(datasources)]
    apply = ["migrate", "watcher", "apply", *arguments, "--offline", "--yes", "--release", "17"]
    assert main(apply) == 0
    moved = labels.read_bytes(), datasources.read_bytes()

    # The state after the first file was renamed, but not the second: only the backup has the label.
    (journal,) = tmp_path.glob("chrysaetos-migrate-watcher-*.json")
    journal.write_text(journal.read_text().replace('"applied"', '"begun"'))
    datasources.write_bytes(before[1])
    capsys.readouterr()
    assert main(["migrate", "watcher", "check", *arguments, "--offline", "--release", "17"]) == 0
    assert "is unfinished" in capsys.readouterr().out
    assert main(apply) == 0
    assert "undid the unfinished move of " in capsys.readouterr().out
    assert (labels.read_bytes(), datasources.read_bytes()) == moved
    assert b"fqdn_label = node" in moved[1]
    assert main(["migrate", "watcher", "rollback", *arguments, "--yes"]) == 0
    assert (labels.read_bytes(), datasources.read_bytes()) == before


def test_an_interrupted_rollback_is_repeated(tmp_path, capsys, monkeypatch):
    files = [tmp_path / "labels.conf", tmp_path / "watcher.conf"]
    files[0].write_text("[prometheus_client]\nfqdn_label = node\n")
    files[1].write_text("[watcher_datasources]\ndatasources = prometheus\n[aetos_client]\n")
    before = [file.read_bytes() for file in files]
    arguments = [argument for file in files for argument in ("--conf", str(file))]
    assert main(["migrate", "watcher", "apply", *arguments, "--offline", "--yes", "--release", "17"]) == 0
    rename = changes._rename

    def interrupted(source, target):
        if target == files[1]:
            raise KeyboardInterrupt
        rename(source, target)

    rollback = ["migrate", "watcher", "rollback", *arguments, "--yes"]
    with monkeypatch.context() as patched:
        patched.setattr(changes, "_rename", interrupted)
        assert main(rollback) == 130
    assert "interrupted; run rollback to restore the remaining files" in capsys.readouterr().err
    assert files[1].read_bytes() != before[1]
    assert main(rollback) == 0
    assert [file.read_bytes() for file in files] == before


def test_an_unfinished_move_is_undone_only_after_confirmation(plain, monkeypatch):
    assert plain.run("apply", "--offline", "--yes") == 0
    (journal,) = plain.folder.glob("chrysaetos-migrate-watcher-*.json")
    journal.write_text(journal.read_text().replace('"applied"', '"begun"'))
    moved = plain.contents()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "n\n"))
    assert plain.run("apply", "--offline") == 1
    assert plain.contents() == moved


def test_an_interruption_changes_nothing(plain, capsys, monkeypatch):
    before = plain.contents()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(migrate_main, "verify_values", interrupted)
    assert plain.run("apply", "--offline", "--yes") == 130
    assert "interrupted; no change is unfinished" in capsys.readouterr().err
    assert plain.contents() == before
    assert [path.name for path in plain.folder.iterdir()] == ["watcher.conf"]


@pytest.mark.parametrize("value", ["a\ndebug = true", "\udcff", "", " a", "$host", "'a'"])
@pytest.mark.parametrize(
    ("service", "option"),
    [
        ("watcher", "--region-name"),
        ("cloudkitty", "--region-name"),
        ("cloudkitty", "--collector"),
        ("cloudkitty", "--fetcher"),
        ("cloudkitty", "--auth-section"),
    ],
)
def test_a_value_that_oslo_config_would_read_differently_is_rejected(
    service, option, value, tmp_path, capsys
):
    file = tmp_path / "service.conf"
    file.write_text("[watcher_datasources]\ndatasources = prometheus\n[collect]\ncollector = prometheus\n")
    with pytest.raises(SystemExit, match="2"):
        main(["migrate", service, "plan", "--offline", "--conf", str(file), option, value])
    assert "is not a value of an option" in capsys.readouterr().err
