"""``chrysaetos grafana`` with a real Keystone and gateway. Grafana is a fake of its HTTP API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from tests.e2e.asking import openstack_client, password_variables
from tests.fakes.environment import without_credentials
from tests.fakes.grafana import GrafanaData, GrafanaFake
from tests.support.commands import call_main

from chrysaetos.cli.application_credentials import ApplicationCredentials
from chrysaetos.cli.errors import CommandFailed
from chrysaetos.cli.main import main
from chrysaetos.dashboards import DASHBOARDS, GATEWAY, LIBVIRT_RULES, load_dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import People
    from tests.support.commands import Output

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account, IdentityApi
    from chrysaetos.demo.keystone import Keystone

OWN = [name for name in DASHBOARDS if name != GATEWAY]


class Shell:
    """Runs the command in an empty working directory, as the account that ``login`` names."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        identity: IdentityApi,
        people: People,
    ) -> None:
        self.people = people
        self._monkeypatch, self._capsys, self._identity = monkeypatch, capsys, identity
        self.account: Account = people.a

    def login(self, who: str) -> None:
        """Set the variables of an account."""
        self.account = getattr(self.people, who)
        self.set(password_variables(self._identity.url, self.account))

    def set(self, variables: dict[str, str]) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def answer(self, text: str) -> None:
        """Let the user be at a terminal and answer the question."""
        self._monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        self._monkeypatch.setattr("builtins.input", lambda _: text)

    def __call__(self, *arguments: str) -> Output:
        output = call_main(main, ("grafana", *arguments), self._capsys)
        for secret in (self.account.password, *(one["secret"] for one in self._written())):
            assert secret not in output.printed + output.err
        return output

    def _written(self) -> Iterator[dict[str, str]]:
        for path in Path().glob("**/datasources/*.yaml"):
            (source,) = yaml.safe_load(path.read_text())["datasources"]
            yield {"secret": source["secureJsonData"]["basicAuthPassword"]}

    def credentials(self) -> list[dict[str, Any]]:
        """Return the account's application credentials of this command."""
        token = self._identity.token(self.account.auth())
        path = f"/users/{self.account.user_id}/application_credentials"
        known = self._identity.call("GET", path, token=token)["application_credentials"]
        return [one for one in known if one["name"].startswith("grafana-")]

    def clean(self) -> None:
        for one in self.credentials():
            token = self._identity.token(self.account.auth())
            path = f"/users/{self.account.user_id}/application_credentials/{one['id']}"
            self._identity.call("DELETE", path, token=token)


@pytest.fixture
def _environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, identity: IdentityApi, gateway_ab: Gateway
) -> None:
    """An empty working directory, and the gateway of store AB in the catalog."""
    without_credentials(monkeypatch, tmp_path)
    identity.register_endpoint("metric-storage", "aetos", gateway_ab.url)


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    identity: IdentityApi,
    people: People,
    _environment: None,
) -> Iterator[Shell]:
    """The command as tenant A."""
    shell = Shell(monkeypatch, capsys, identity, people)
    shell.login("a")
    yield shell
    for who in ("a", "admin"):
        shell.account = getattr(people, who)
        shell.clean()


@pytest.fixture
def grafana(shell: Shell) -> Iterator[GrafanaFake]:
    """A Grafana, with the token of an administrator in the environment."""
    data = GrafanaData()
    with GrafanaFake(data) as server:
        shell.set({"GRAFANA_TOKEN": "glsa_admin"})
        yield server


def source_of(directory: Path) -> tuple[Path, dict[str, Any]]:
    (path,) = directory.glob("provisioning/datasources/*.yaml")
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    return path, source


def projects_seen(source: dict[str, Any]) -> set[str | None]:
    """Return the projects of the series that Grafana sees with a data source."""
    auth = source["basicAuthUser"], source["secureJsonData"]["basicAuthPassword"]
    answer = requests.get(f"{source['url']}/api/v1/series", {"match[]": "cpu"}, auth=auth, timeout=30)
    assert answer.status_code == 200
    return {series.get("project") for series in answer.json()["data"]}


def test_a_tenant_gets_a_private_file_with_a_credential_that_can_only_read(shell, people):
    output = shell("mine", "--yes")
    assert output.status == 0
    path, source = source_of(Path("mine"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert projects_seen(source) == {people.a.project_id}
    (credential,) = shell.credentials()
    assert credential["id"] == source["basicAuthUser"]
    assert [role["name"] for role in credential["roles"]] == ["reader"]
    assert not credential["unrestricted"]
    assert credential["project_id"] == people.a.project_id
    assert source["uid"] == f"metrics-{people.a.project_id}"
    assert source["name"] == "Metrics of tenant-a"
    written = {file.stem: file.read_text() for file in Path("mine/dashboards").iterdir()}
    assert written == {name: load_dashboard(name, choose_project=False) for name in OWN}
    (provider,) = yaml.safe_load(Path("mine/provisioning/dashboards/chrysaetos.yaml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == str(Path("mine/dashboards").absolute())
    assert "the dashboards are empty until there are metrics" in output.err


def test_only_dashboards_with_metrics_are_written(shell, monkeypatch):
    monkeypatch.setattr(
        "chrysaetos.cli.grafana.DASHBOARDS", {"vms-ceilometer": "cpu", "vms-libvirt": "nothing"}
    )
    assert shell("--yes").status == 0
    assert [file.name for file in Path("grafana/dashboards").iterdir()] == ["vms-ceilometer.json"]


def test_a_second_run_changes_nothing(shell):
    shell("--yes")
    before = {path: path.stat().st_mtime_ns for path in Path("grafana").glob("**/*.*")}
    assert shell("--yes").out == "everything is up to date\n"
    assert len(shell.credentials()) == 1
    assert {path: path.stat().st_mtime_ns for path in Path("grafana").glob("**/*.*")} == before


def test_an_edited_file_is_shown_and_overwritten_only_after_a_yes(shell):
    shell("--yes")
    file = Path("grafana/dashboards/vms-libvirt.json")
    original = file.read_text()
    file.write_text(original.replace('"Servers (libvirt)"', '"Mine"'))
    shell.answer("n")
    output = shell()
    assert output.status == 1
    assert '-  "title": "Mine",\n+  "title": "Servers (libvirt)",' in output.printed
    assert output.printed.endswith("nothing was changed\n")
    assert '"Mine"' in file.read_text()
    shell.answer("y")
    assert "written: grafana/dashboards/vms-libvirt.json" in shell().out
    assert file.read_text() == original
    assert len(shell.credentials()) == 1


def test_a_credential_that_does_not_work_is_replaced(shell, people):
    shell("--yes")
    path, source = source_of(Path("grafana"))
    path.write_text(path.read_text().replace(source["secureJsonData"]["basicAuthPassword"], "wrong"))
    output = shell("--yes")
    assert output.status == 0
    assert "+  basicAuthUser: (will be created)" in output.printed
    assert projects_seen(source_of(Path("grafana"))[1]) == {people.a.project_id}


def test_without_a_terminal_nothing_happens_without_yes(shell):
    output = shell()
    assert output.status == 1
    assert "with the first of these roles that is sufficient: reader, member" in output.printed
    assert "add --yes" in output.err
    assert not Path("grafana").exists()
    assert shell.credentials() == []


def test_a_credential_is_deleted_if_the_files_cannot_be_written(shell):
    Path("grafana").mkdir()
    Path("grafana/dashboards").write_text("a file")
    output = shell("--yes")
    assert output.status == 1
    assert "grafana" in output.err
    assert shell.credentials() == []
    assert not list(Path("grafana").glob("**/*.yaml"))


def test_a_credential_is_deleted_after_ctrl_c(shell, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        assert len(shell.credentials()) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr("chrysaetos.cli.grafana.write_files", interrupt)
    assert shell("--yes").status == 130
    assert shell.credentials() == []


def test_a_credential_that_cannot_be_deleted_is_named(shell, grafana, monkeypatch):
    def fail(*_: object) -> None:
        raise CommandFailed("Keystone is down")

    monkeypatch.setattr(ApplicationCredentials, "delete", fail)
    grafana.data.failing["POST", "/api/datasources"] = 500
    output = shell("--yes", "--grafana-url", grafana.root_url)
    assert output.status == 1
    assert "status 500: it fails" in output.err
    assert "Keystone is down" in output.err


def test_an_application_credential_that_exists_is_used(shell, people, monkeypatch, keystone):
    use_credential(shell, people.a, monkeypatch, keystone)
    assert shell("--yes").status == 0
    _, source = source_of(Path("grafana"))
    assert source["basicAuthUser"] == people.a.application_credential.id
    assert projects_seen(source) == {people.a.project_id}
    assert shell.credentials() == []


def test_an_application_credential_without_the_access_is_rejected(shell, people, monkeypatch, keystone):
    use_credential(shell, people.a, monkeypatch, keystone)
    output = shell("--yes", "--all-projects")
    assert output.status == 1
    assert "gives no access to these metrics: log in with a password" in output.err


def test_an_operator_sees_all_projects(shell, people):
    shell.login("admin")
    assert shell("--yes", "--all-projects").status == 0
    _, source = source_of(Path("grafana"))
    assert (source["uid"], source["name"]) == ("metrics-all-projects", "Metrics of all projects")
    assert projects_seen(source) >= {people.a.project_id, people.b.project_id, None}
    (credential,) = shell.credentials()
    assert "admin" in {role["name"] for role in credential["roles"]}
    for name in OWN:
        assert Path(f"grafana/dashboards/{name}.json").read_text() == load_dashboard(name)
    assert Path("grafana", LIBVIRT_RULES).exists()


def test_an_operator_without_all_projects_gets_a_credential_for_its_project(shell):
    shell.login("admin")
    assert shell("--yes").status == 0
    (credential,) = shell.credentials()
    assert [role["name"] for role in credential["roles"]] == ["reader"]


def test_a_tenant_cannot_see_all_projects(shell):
    output = shell("--yes", "--all-projects")
    assert output.status == 1
    assert (
        "none of your roles in the project tenant-a gives access to these metrics: reader, member"
        in output.err
    )
    assert shell.credentials() == []
    assert not Path("grafana").exists()


def test_a_user_without_a_project(shell):
    for name in ("OS_PROJECT_NAME", "OS_PROJECT_DOMAIN_ID"):
        shell.set({name: ""})
    shell.login("stranger")
    output = shell("--yes")
    assert output.status == 1
    assert len(output.err.splitlines()) == 1


def test_the_least_role_is_that_of_the_policy(shell, identity, gateway_for, stores, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text('"telemetry:query": "role:member and project_id:%(project_id)s"\n')
    gateway = gateway_for(stores.ab, oslo_policy={"policy_file": str(policy)})
    identity.register_endpoint("metric-storage", "aetos", gateway.url)
    assert shell("--yes").status == 0
    (credential,) = shell.credentials()
    assert "member" in {role["name"] for role in credential["roles"]}
    assert source_of(Path("grafana"))[1]["basicAuthUser"] == credential["id"]


def test_everything_is_sent_to_a_grafana(shell, grafana, people):
    output = shell("--yes", "--grafana-url", grafana.root_url)
    assert output.status == 0
    data = grafana.data
    (source,) = data.sources.values()
    assert projects_seen(source) == {people.a.project_id}
    assert source["secureJsonData"]["basicAuthPassword"] not in output.printed + output.err
    assert set(data.dashboards) == {f"chrysaetos-{name}" for name in OWN}
    assert not Path("grafana").exists()
    assert shell("--yes", "--grafana-url", grafana.root_url).out == "everything is up to date\n"
    assert len(shell.credentials()) == 1


def test_a_grafana_is_repaired(shell, grafana, people):
    shell("--yes", "--grafana-url", grafana.root_url)
    data = grafana.data
    (source,) = data.sources.values()
    source["secureJsonData"]["basicAuthPassword"] = "wrong"
    data.dashboards["chrysaetos-vms-libvirt"]["title"] = "Mine"
    before = len(data.requests)
    output = shell("--yes", "--grafana-url", grafana.root_url)
    assert output.status == 0
    assert '-  "title": "Mine"' in output.printed
    assert "changed, since it does not work or differs: data source Metrics of tenant-a" in output.printed
    changing = [one for one in data.requests[before:] if one[0] != "GET"]
    assert changing == [("POST", "/api/dashboards/db"), ("PUT", f"/api/datasources/uid/{source['uid']}")]
    (source,) = data.sources.values()
    assert projects_seen(source) == {people.a.project_id}


@pytest.mark.parametrize(
    ("token", "error"),
    [("glsa_viewer", "status 403"), ("unknown", "status 401"), ("two words", "one word")],
)
def test_a_grafana_that_rejects_the_token(shell, grafana, token, error, tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    output = shell("--yes", "--grafana-url", grafana.root_url, "--grafana-token-file", str(file))
    assert output.status == 1
    assert error in output.err
    assert shell.credentials() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/datasources"), ("POST", "/api/folders"), ("POST", "/api/dashboards/db")],
)
@pytest.mark.parametrize("status", [409, 412, 500])
def test_no_credential_is_left_if_grafana_fails(shell, grafana, method, path, status):
    grafana.data.failing[method, path] = status
    output = shell("--yes", "--grafana-url", grafana.root_url)
    assert output.status == 1
    assert f"{method} {path}: status {status}: it fails" in output.err
    assert shell.credentials() == []


@pytest.mark.usefixtures("shell")
def test_the_openstack_command_has_it(keystone, people, tmp_path):
    directory = tmp_path / "there"
    variables = password_variables(keystone.url, people.a)
    output = openstack_client(variables, "metric", "grafana", str(directory), "--yes")
    assert output.status == 0, output.err
    _, source = source_of(directory)
    assert projects_seen(source) == {people.a.project_id}


def use_credential(
    shell: Shell, account: Account, monkeypatch: pytest.MonkeyPatch, keystone: Keystone
) -> None:
    credential = account.application_credential
    assert credential is not None
    for name in password_variables(keystone.url, account):
        monkeypatch.delenv(name, raising=False)
    shell.set(
        {
            "OS_AUTH_URL": keystone.url,
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_APPLICATION_CREDENTIAL_ID": credential.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": credential.secret,
        }
    )
