import json
from pathlib import Path

import pytest
from tests.demo.people import identities
from tests.support.commands import run

from chrysaetos.demo.commands import render_commands, write_credentials

KEYSTONE = "http://127.0.0.1:25000/v3"
GATEWAY = "http://127.0.0.1:25001"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    created = tmp_path / "a folder"
    created.mkdir()
    accounts = identities()
    write_credentials(
        created, (*accounts.tenants, accounts.admin, accounts.service, accounts.stranger), KEYSTONE
    )
    return created


def commands(directory: Path) -> list[str]:
    text = render_commands(directory, identities(), keystone_url=KEYSTONE, gateway_url=GATEWAY)
    return [
        line.strip() for line in text.splitlines() if line.startswith("  ") and not line.startswith("  #")
    ]


def test_files_with_credentials_are_private(directory: Path) -> None:
    files = list(directory.iterdir())
    assert len(files) == 12
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_each_command_is_a_shell_command_on_files_that_exist(directory: Path) -> None:
    found = commands(directory)
    assert len(found) >= 12
    for command in found:
        assert run(["sh", "-n", "-c", command]).out == ""
        # The other commands find the gateway in the catalog.
        named = GATEWAY in command or f"@{GATEWAY.removeprefix('http://')}" in command
        assert named or "openstack" in command or "&& chrysaetos " in command or "&& echo " in command
        if " && " in command:
            sourced = command.partition(" && ")[0]
            assert run(["sh", "-c", sourced]).out == ""


def test_each_kind_of_caller_and_client_has_a_command(directory: Path) -> None:
    text = "\n".join(commands(directory))
    for part in ("aquila.openrc", "bubo.openrc", "corvus.openrc", "admin.openrc", "service.openrc"):
        assert part in text
    for part in ("stranger.openrc", "openstack metric", "promtool query", "X-Auth-Token", "curl -sS -u"):
        assert part in text
    for part in ("chrysaetos doctor", "chrysaetos range", "chrysaetos explain"):
        assert part in text


def test_no_secret_is_printed(directory: Path) -> None:
    text = "\n".join(commands(directory))
    assert "secret-" not in text
    assert "pass'word" not in text


def test_an_openrc_replaces_the_variables_of_another_cloud(directory: Path) -> None:
    script = f". '{directory}/bubo.openrc'; env | grep -a '^OS_\\|^APPL' | sort"
    outside = {"PATH": "/usr/bin:/bin", "OS_CLOUD": "other", "OS_PROJECT_ID": "other"}
    shown = run(["sh", "-c", script], env=outside)
    assert shown.out.splitlines() == [
        "APPLICATION_CREDENTIAL=id-bubo:secret-bubo",
        "OS_AUTH_TYPE=password",
        f"OS_AUTH_URL={KEYSTONE}",
        "OS_IDENTITY_API_VERSION=3",
        "OS_INTERFACE=public",
        "OS_PASSWORD=pass'word $of bubo",
        "OS_PROJECT_DOMAIN_ID=default",
        "OS_PROJECT_NAME=bubo",
        "OS_REGION_NAME=RegionOne",
        "OS_USERNAME=bubo",
        "OS_USER_DOMAIN_ID=default",
    ]


def test_a_stranger_requests_a_token_without_a_project(directory: Path) -> None:
    body = json.loads((directory / "stranger.auth.json").read_text())
    assert body["auth"]["scope"] == "unscoped"
    assert "OS_PROJECT" not in (directory / "stranger.openrc").read_text().partition("\n")[2]
