"""``chrysaetos migrate cloudkitty``: configuration and scope states change together."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.migrate.ratings import CONF, States

from chrysaetos.cli.main import main
from chrysaetos.migrate import cloudkitty_service, scope_states
from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Layers
from chrysaetos.migrate.scope_states import ScopeStates
from chrysaetos.migrate.services import Loaded


class Deployment:
    def __init__(self, folder, database="ck.sqlite"):
        self.path = folder / "cloudkitty.conf"
        self.database = folder / database
        self.path.write_text(CONF.format(database=self.database))
        self.states = States(folder / database.replace("$$", "$"))
        for scope in ("a", "b", "c"):
            self.states.add(scope)

    def run(self, action, *arguments):
        offline = ["--offline"] if action in {"check", "plan", "apply"} else []
        yes = ["--yes"] if action in {"apply", "rollback"} else []
        return main(["migrate", "cloudkitty", action, "--conf", str(self.path), *offline, *yes, *arguments])

    def seen(self):
        return self.path.read_bytes(), self.states.read()


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


MOVED = """\
[DEFAULT]
debug = false

[database]
connection = sqlite:///{database}

[collect]
collector = chrysaetos
period = 3600

[fetcher]
backend = aetos

# where it is
# [collector_prometheus]
# prometheus_url = http://prometheus.example:9090/api/v1
# prometheus_user = rater
# prometheus_password = geheim
# timeout = 30

# [fetcher_prometheus]
# metric = ceilometer_cpu
# scope_attribute = project
# filters = job:vm, zone:a
# prometheus_url = http://prometheus.example:9090/api/v1

[collector_aetos]
timeout = 30
auth_section = ks_auth

[fetcher_aetos]
metric = ceilometer_cpu
scope_attribute = project
filters = job:vm, zone:a
auth_section = ks_auth

[ks_auth]
auth_type = password
"""


def test_files_and_states_move_together_and_back(deployment, capsys):
    before = deployment.seen()
    assert deployment.run("check") == 0
    assert deployment.run("plan") == 0
    out = capsys.readouterr().out
    assert "database: 3 scope states are moved from prometheus and prometheus to chrysaetos and aetos" in out
    assert "geheim" not in out
    assert deployment.seen() == before

    assert deployment.run("apply") == 0
    assert deployment.path.read_text() == MOVED.format(database=deployment.database)
    assert {row[2:4] for row in deployment.states.read()} == {("chrysaetos", "aetos")}
    assert "Now restart cloudkitty-processor" in capsys.readouterr().out
    moved = deployment.seen()
    assert deployment.run("apply") == 0
    assert deployment.seen() == moved

    assert deployment.run("rollback") == 0
    assert deployment.seen() == before
    assert deployment.run("rollback") == 0
    assert deployment.seen() == before


def test_the_journal_has_the_states_but_no_secret(deployment):
    assert deployment.run("apply") == 0
    (journal,) = deployment.path.parent.glob("chrysaetos-migrate-cloudkitty-*.json")
    text = journal.read_text()
    assert [row["identifier"] for row in json.loads(text)["external"]["rows"]] == ["a", "b", "c"]
    assert str(deployment.database) not in text


def test_a_failing_database_restores_the_files(deployment, monkeypatch, capsys):
    def fail(_):
        raise MigrateError("the database is gone")

    before = deployment.seen()
    with monkeypatch.context() as patched:
        patched.setattr(ScopeStates, "apply", fail)
        assert deployment.run("apply") == 1
    assert "the database is gone" in capsys.readouterr().err
    assert deployment.seen() == before
    assert deployment.run("apply") == 0


@pytest.mark.parametrize("database_done", [True, False])
def test_an_unfinished_move_is_undone_and_repeated(deployment, capsys, database_done):
    before = deployment.seen()
    assert deployment.run("apply") == 0
    moved = deployment.seen()
    (journal,) = deployment.path.parent.glob("chrysaetos-migrate-cloudkitty-*.json")
    journal.write_text(journal.read_text().replace('"applied"', '"begun"'))
    if not database_done:
        deployment.states.execute(
            "UPDATE cloudkitty_storage_states SET collector='prometheus', fetcher='prometheus'"
        )
    assert deployment.run("apply") == 0
    assert "undid the unfinished move" in capsys.readouterr().out
    assert deployment.seen() == moved
    assert deployment.run("rollback") == 0
    assert deployment.seen() == before


def test_states_with_the_new_names_prevent_the_move(deployment, capsys):
    deployment.states.add("a", "chrysaetos", "aetos")
    before = deployment.seen()
    assert deployment.run("apply") == 1
    assert "already have a state for" in capsys.readouterr().out
    assert deployment.run("apply", "--force") == 1
    assert deployment.seen() == before


def test_another_fetcher_is_not_moved(deployment):
    deployment.path.write_text(
        deployment.path.read_text().replace("backend = prometheus", "backend = keystone")
    )
    deployment.states.execute("UPDATE cloudkitty_storage_states SET fetcher='keystone'")
    assert deployment.run("apply") == 0
    assert {row[2:4] for row in deployment.states.read()} == {("chrysaetos", "keystone")}
    text = deployment.path.read_text()
    assert "backend = keystone" in text
    assert "\n[fetcher_prometheus]\n" in text


def test_the_environment_cannot_be_moved(deployment, monkeypatch, capsys):
    monkeypatch.setenv("OS_COLLECT__COLLECTOR", "prometheus")
    before = deployment.seen()
    assert deployment.run("apply") == 1
    assert "OS_COLLECT__COLLECTOR=prometheus overrides the files" in capsys.readouterr().out
    assert deployment.seen() == before


def test_without_credentials_the_section_has_to_be_named(deployment, capsys):
    deployment.path.write_text(deployment.path.read_text().replace("[ks_auth]", "[other]"))
    assert deployment.run("check") == 1
    assert "--auth-section" in capsys.readouterr().out
    assert deployment.run("apply", "--auth-section", "other", "--interface", "internal") == 0
    assert deployment.path.read_text().count("auth_section = other\ninterface = internal\n") == 2


def test_nothing_to_move(deployment, capsys):
    deployment.path.write_text("[collect]\ncollector = gnocchi\n")
    assert deployment.run("apply") == 0
    assert "nothing to move" in capsys.readouterr().out


def test_the_help_names_the_region(capsys):
    with pytest.raises(SystemExit):
        main(["migrate", "cloudkitty", "check", "--help"])
    assert "the endpoint's region in the catalog" in " ".join(capsys.readouterr().out.split())


def test_verify_before_the_move(deployment, capsys):
    assert deployment.run("verify") == 1
    assert "not moved yet" in capsys.readouterr().out


def test_verify_finds_states_that_were_not_moved(deployment, capsys):
    metrics = deployment.path.parent / "metrics.yml"
    metrics.write_text("metrics: {cpu: {unit: x}, 'ram@#alias': {}}")
    text = MOVED.format(database=deployment.database)
    deployment.path.write_text(text.replace("period = 3600", f"metrics_conf = {metrics}"))
    assert deployment.run("verify") == 1
    assert "3 scopes have a state for prometheus but none for these names: a, b, c" in capsys.readouterr().out


class Plugin:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(("values", "status"), [([], "warning"), (["one"], "ok"), (["one", "two"], "failed")])
def test_a_name_has_to_belong_to_one_plugin(monkeypatch, values, status):
    monkeypatch.setattr(metadata, "entry_points", lambda **_: [Plugin(value) for value in values])
    found = cloudkitty_service._installed("collector", "aetos")
    assert found.status.value == status
    assert all(value in found.found + found.remedy for value in values)


def test_no_rollback_while_a_processor_is_running(deployment, monkeypatch, capsys):
    assert deployment.run("apply") == 0
    moved = deployment.seen()
    monkeypatch.setattr(scope_states, "running_processors", lambda: [4711])
    assert deployment.run("rollback") == 1
    assert "process 4711" in capsys.readouterr().out
    assert deployment.seen() == moved


def test_an_unfinished_move_is_not_undone_while_a_processor_is_running(deployment, monkeypatch, capsys):
    assert deployment.run("apply") == 0
    (journal,) = deployment.path.parent.glob("chrysaetos-migrate-cloudkitty-*.json")
    journal.write_text(journal.read_text().replace('"applied"', '"begun"'))
    moved = deployment.seen()
    monkeypatch.setattr(scope_states, "running_processors", lambda: [4711])
    capsys.readouterr()
    assert deployment.run("apply", "--force") == 1
    captured = capsys.readouterr()
    assert "process 4711" in captured.out
    assert captured.err == "chrysaetos migrate: nothing was changed\n"
    assert deployment.seen() == moved
    assert '"begun"' in journal.read_text()


def test_the_database_is_read_as_by_the_service(tmp_path, capsys):
    deployment = Deployment(tmp_path, "ck$$x.sqlite")
    assert (tmp_path / "ck$x.sqlite").exists()
    assert deployment.run("apply") == 0
    assert {row[2:4] for row in deployment.states.read()} == {("chrysaetos", "aetos")}
    assert deployment.run("rollback") == 0
    deployment.path.write_text(deployment.path.read_text().replace("$$x", "geheim$x"))
    capsys.readouterr()
    assert deployment.run("check") == 1
    error = capsys.readouterr().err
    assert "[database] connection: a reference ($name) in the value cannot be resolved" in error
    assert "geheim" not in error


def test_without_the_databases_package_the_environment_is_named(deployment, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "chrysaetos.migrate.scope_states")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert deployment.run("check") == 1
    assert "needs the package sqlalchemy; run this in CloudKitty's environment" in capsys.readouterr().err


@pytest.mark.parametrize(
    "setting", ["{folder}/metrics.yml", "$collect.folder/metrics.yml", "etc/metrics.yml"]
)
def test_metrics_are_read_from_the_file_that_the_processor_reads(tmp_path, monkeypatch, setting):
    (tmp_path / "etc").mkdir()
    for folder in (tmp_path, tmp_path / "etc"):
        (folder / "metrics.yml").write_text("metrics: {cpu@#cores: {}, cpu: {}, up: {}}")
    processor = tmp_path / "proc" / "17"
    processor.mkdir(parents=True)
    (processor / "cmdline").write_bytes(b"python\0/usr/bin/cloudkitty-processor\0")
    (processor / "cwd").symlink_to(tmp_path)
    path = tmp_path / "cloudkitty.conf"
    path.write_text(f"[collect]\nmetrics_conf = {setting.format(folder=tmp_path)}\n")
    directory = cloudkitty_service._processor_directory
    assert directory(tmp_path / "proc") == tmp_path
    assert directory(tmp_path / "etc") == Path("/")
    monkeypatch.setattr(cloudkitty_service, "_processor_directory", lambda: directory(tmp_path / "proc"))
    file = ConfFile(str(path), path.read_bytes())
    loaded = Loaded(Layers([file], {}), {file: path})
    if "$" in setting:
        with pytest.raises(MigrateError, match="write the value itself"):
            cloudkitty_service._metrics(loaded)
    else:
        assert cloudkitty_service._metrics(loaded) == ["cpu", "up"]
