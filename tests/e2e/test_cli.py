"""The commands as tenant, admin and user without a role, with every kind of credentials.

The tests call the function of the console script; those of test_cli_programs.py start real processes.
"""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Protocol

import pytest
import yaml
from tests.e2e.shell import MACHINES_OF_A, STEPS, apart, by, states_of
from tests.fakes.metrics_server import MetricsServer, aetos
from tests.support.commands import call_main

from chrysaetos.cli.main import main
from chrysaetos.demo.keystone import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.stack import Stores, Window
    from tests.support.commands import Output


__all__ = ["apart", "by"]


class Call(Protocol):
    """Runs ``chrysaetos`` with these variables and arguments."""

    def __call__(self, variables: Mapping[str, str], *arguments: str) -> Output: ...


@pytest.fixture
def chrysaetos(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command in this process."""

    def call(variables: Mapping[str, str], *arguments: str) -> Output:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return call_main(main, arguments, capsys)

    return call


KINDS = ("password", "token", "application_credential")
MACHINES = {"a1", "a2", "b1", "b2", "host"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tenant_sees_its_series_with_every_kind_of_credentials(kind, by, chrysaetos):
    rows = chrysaetos(getattr(by, kind)("a"), "query", "cpu", "-f", "json").json
    assert {row["vm"] for row in rows} == MACHINES_OF_A
    assert {row["project"] for row in rows} == {by.people.a.project_id}


@pytest.mark.parametrize("kind", KINDS)
def test_an_admin_sees_all_series_with_every_kind_of_credentials(kind, by, chrysaetos):
    rows = chrysaetos(getattr(by, kind)("admin"), "query", "cpu", "-f", "json").json
    assert {row["vm"] for row in rows} == MACHINES


def _every_command(window: Window) -> list[tuple[str, ...]]:
    moment = str(window.now)
    return [
        ("query", "cpu", "--time", moment),
        ("range", "cpu", "--start", str(window.now - 600), "--end", moment, "--step", "60s"),
        ("series", "cpu", "--start", moment, "--end", moment),
        ("labels", "--match", "cpu"),
        ("values", "vm", "--match", "cpu"),
        ("metadata",),
        ("targets",),
        ("rules",),
        ("alerts",),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["a", "admin"])
def test_every_command_works_for_authorized_users(who, kind, by, window, chrysaetos):
    variables = getattr(by, kind)(who)
    for command in _every_command(window):
        output = chrysaetos(variables, *command, "-f", "json")
        assert (output.status, output.err) == (0, ""), command
        assert isinstance(output.json, list)


def test_every_command_fails_for_a_user_without_a_role(by, window, gateway_ab, chrysaetos):
    # Without a project there is no catalog; the second way is to know the address.
    variables = by.password("stranger")
    for command in (*_every_command(window), ("explain", "up")):
        output = chrysaetos(variables, *command)
        assert (output.status, output.printed) == (1, ""), command
        assert output.err.startswith(f"chrysaetos {command[0]}: no metric-storage service in the catalog")
        assert output.err.count("\n") == 1
    for command in _every_command(window):
        output = chrysaetos(variables, *command, "--os-endpoint-override", gateway_ab.url)
        assert (output.status, output.printed) == (1, ""), command
        assert output.err.count("\n") == 1


def test_whoami_shows_the_token_of_a_user_without_a_role(by, chrysaetos):
    output = chrysaetos(by.password("stranger"), "whoami", "-f", "json")
    assert output.status == 0
    shown = output.json
    assert (shown["user"], shown["scope"], shown["source"]) == ("stranger", "none", "Keystone")


def test_every_command_works_with_prometheus_itself(stores: Stores, window, chrysaetos):
    for command in _every_command(window):
        output = chrysaetos({}, *command, "--url", stores.ab.url, "-f", "json")
        assert (output.status, output.err) == (0, ""), command
    rows = chrysaetos({}, "query", "cpu", "--url", stores.ab.url, "-f", "json").json
    assert {row["vm"] for row in rows} == MACHINES


def test_the_gateway_accepts_an_application_credential_as_basic(people, gateway_ab, chrysaetos):
    credential = people.a.application_credential
    address = ("--url", gateway_ab.url, "--user", credential.id)
    rows = chrysaetos({"CHRYSAETOS_PASSWORD": credential.secret}, "query", "cpu", *address, "-f", "json").json
    assert {row["vm"] for row in rows} == MACHINES_OF_A
    output = chrysaetos({"CHRYSAETOS_PASSWORD": "wrong"}, "query", "cpu", *address)
    assert output.status == 1
    assert output.err.count("\n") == 1


@pytest.mark.usefixtures("by")
def test_clouds_yaml_names_clouds(people, keystone, chrysaetos, tmp_path):
    def cloud(account):
        auth = {
            "auth_url": keystone.url,
            "username": account.user,
            "password": account.password,
            "project_id": account.project_id,
            "user_domain_id": account.domain,
        }
        return {"auth": auth, "region_name": REGION}

    clouds = {"one": cloud(people.a), "two": cloud(people.admin)}
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump({"clouds": clouds}))
    here = {"OS_CLIENT_CONFIG_FILE": str(file)}
    query = ("values", "vm", "--match", "cpu", "-f", "value")
    assert set(chrysaetos(here, *query, "--os-cloud", "one").out.split()) == MACHINES_OF_A
    assert set(chrysaetos(here, "--os-cloud", "two", *query).out.split()) == MACHINES
    assert set(chrysaetos(here | {"OS_CLOUD": "two"}, *query).out.split()) == MACHINES
    login = ("--os-username", people.b.user, "--os-password", people.b.password)
    project = ("--os-project-id", str(people.b.project_id))
    rows = chrysaetos(here, *query, "--os-cloud", "one", *login, *project)
    assert set(rows.out.split()) == {"b1", "b2"}


def test_options_override_variables(by, chrysaetos):
    wrong = by.password("a") | {"OS_PASSWORD": "wrong"}
    output = chrysaetos(wrong, "query", "cpu")
    assert output.status == 1
    assert output.err.count("\n") == 1
    assert by.people.a.password not in output.err
    rows = chrysaetos(wrong, "query", "cpu", "--os-password", by.people.a.password, "-f", "json").json
    assert {row["vm"] for row in rows} == MACHINES_OF_A


def test_a_range_is_csv_for_a_spreadsheet(by, window, chrysaetos):
    span = ("--start", str(window.now - 600), "--end", str(window.now), "--step", "5m")
    output = chrysaetos(by.password("a"), "range", "sum by (vm) (cpu)", *span, "--wide", "-f", "csv")
    header, *rows = csv.reader(io.StringIO(output.out))
    assert header == ["time", '{vm="a1"}', '{vm="a2"}']
    assert len(rows) == 3
    assert all(float(cell) >= 0 for row in rows for cell in row[1:])


def test_a_split_range_equals_the_whole(by, window, chrysaetos):
    variables = by.password("a")
    span = (
        "range",
        "cpu",
        "--start",
        str(window.start),
        "--end",
        str(window.end),
        "-f",
        "json",
        "--noindent",
    )
    whole = chrysaetos(variables, *span, "--step", "2s").json
    assert len(whole) > 11_000
    assert chrysaetos(variables, *span, "--step", "1s").status == 1  # 14,401 points are too many for once
    parts = chrysaetos(variables, *span, "--step", "1s", "--split").json
    even = [row for row in parts if int(row["time"][17:19]) % 2 == 0]
    assert even == whole


def test_a_range_is_drawn(by, window, chrysaetos):
    span = ("--start", str(window.now - 3600), "--end", str(window.now))
    output = chrysaetos(by.password("a"), "range", 'cpu{vm="a1"}', *span, "--plot", "--width", "160")
    assert output.status == 0
    drawn = [line for line in output.out.splitlines() if "┤" in line]
    assert len(drawn) == 17
    assert sum(1 for line in drawn for dots in line if "\u2800" < dots <= "\u28ff") > 120
    assert f'project="{by.people.a.project_id}"' in output.out.splitlines()[-1]


def test_an_invalid_query_is_shown_with_a_caret(by, chrysaetos):
    output = chrysaetos(by.password("a"), "query", "sum(rate(cpu[5m])")
    assert output.status == 1
    assert output.err.splitlines()[1:] == ["sum(rate(cpu[5m])", " " * 17 + "^"]


def test_explain_shows_the_scoped_query(by, chrysaetos):
    query = 'sum(cpu{vm="a1"}) / count(cpu)'
    of_a = chrysaetos(by.password("a"), "explain", query, "-f", "json").json
    label = f'project="{by.people.a.project_id}"'
    assert of_a["sent"] == f'sum(cpu{{{label},vm="a1"}}) / count(cpu{{{label}}})'
    assert (of_a["rule"], of_a["scope"]) == ("telemetry:query", "project")
    of_admin = chrysaetos(by.password("admin"), "explain", query, "-f", "json").json
    assert (of_admin["sent"], of_admin["scope"]) == (query, "all projects")


@pytest.mark.parametrize(
    ("who", "kind", "sees"),
    [
        ("a", "password", "series of your project"),
        ("b", "application_credential", "series of your project"),
        ("admin", "token", "series of all projects"),
    ],
)
def test_whoami_for_each_user(who, kind, sees, by, chrysaetos):
    account = getattr(by.people, who)
    shown = chrysaetos(getattr(by, kind)(who), "whoami", "-f", "json").json
    assert (shown["user"], shown["project_id"]) == (account.user, account.project_id)
    assert account.role in shown["roles"].split(", ")
    assert (shown["credential"], shown["sees"], shown["source"]) == ("token", sees, "gateway")


def test_whoami_without_a_gateway_uses_keystone(by, stores: Stores, chrysaetos):
    override = ("--os-endpoint-override", stores.ab.url, "-f", "json")
    shown = chrysaetos(by.password("a"), "whoami", *override).json
    assert (shown["user"], shown["project"], shown["source"]) == ("alice", "tenant-a", "Keystone")
    assert "member" in shown["roles"]
    assert shown["scope"] == "project"


@pytest.mark.parametrize("kind", KINDS)
def test_doctor_without_problems(kind, by, chrysaetos):
    output = chrysaetos(getattr(by, kind)("a"), "doctor", "-f", "json")
    assert output.status == 0
    assert states_of(output) == dict.fromkeys(STEPS, "ok")
    assert not any(row["advice"] for row in output.json)


@pytest.mark.parametrize(
    ("changed", "step", "advice"),
    [
        ({"OS_PASSWORD": "wrong"}, "token", "check user, password"),
        ({"OS_PROJECT_NAME": "nowhere"}, "token", "project"),
        ({"OS_AUTH_URL": "http://127.0.0.1:1/v3"}, "token", "that Keystone is running"),
        ({"OS_REGION_NAME": "Elsewhere"}, "catalog", "region"),
    ],
)
def test_doctor_finds_each_problem(changed, step, advice, by, chrysaetos):
    output = chrysaetos(by.password("a") | changed, "doctor", "-f", "json")
    assert output.status == 1
    states = states_of(output)
    position = STEPS.index(step)
    assert [states[name] for name in STEPS[:position]] == ["ok"] * position
    assert states[step] == "failed"
    assert {states[name] for name in STEPS[position + 1 :]} == {"skipped"}
    assert advice in next(row["advice"] for row in json.loads(output.printed) if row["step"] == step)
    assert by.people.a.password not in output.printed + output.err


def test_doctor_advises_a_user_without_a_role(by, chrysaetos):
    output = chrysaetos(by.password("stranger"), "doctor", "-f", "json")
    assert output.status == 1
    assert states_of(output)["roles"] == "failed"
    assert "OS_PROJECT_NAME" in next(
        row["advice"] for row in json.loads(output.printed) if row["step"] == "roles"
    )


def test_commands_with_aetos(by, chrysaetos):
    variables = by.password("a")
    with MetricsServer(aetos) as server:
        there = ("--os-endpoint-override", server.url)
        assert chrysaetos(variables, "query", "up", *there, "-f", "value").status == 0
        assert "X-Auth-Token".lower() in server.requests[-1].headers
        output = chrysaetos(variables, "range", "up", *there)
        assert output.status == 1
        assert output.err.count("\n") == 1
        assert chrysaetos(variables, "whoami", *there, "-f", "json").json["source"] == "Keystone"
        output = chrysaetos(variables, "explain", "up", *there)
        assert output.status == 1
        assert "not a Chrysaetos gateway" in output.err


def test_relative_times_use_the_clock_of_this_machine(by, chrysaetos):
    before = int(time.time())
    rows = chrysaetos(
        by.password("a"),
        "range",
        "time()",
        "--start",
        "now",
        "--end",
        "now",
        "--step",
        "1s",
        "-f",
        "json",
    ).json
    assert before <= rows[0]["value"] <= int(time.time())
