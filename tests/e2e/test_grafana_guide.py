"""Run the commands of docs/how-to/grafana.md in order, except those that start Grafana."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import yaml
from tests.e2e.asking import password_variables
from tests.fakes.grafana import GrafanaData, GrafanaFake
from tests.support.commands import run

if TYPE_CHECKING:
    from tests.e2e.stack import People

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import Account, IdentityApi
    from chrysaetos.demo.keystone import Keystone

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "grafana.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_openrc(path: Path, account: Account, keystone: Keystone) -> None:
    variables = password_variables(keystone.url, account)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))


@pytest.fixture
def folder(
    tmp_path: Path, keystone: Keystone, people: People, identity: IdentityApi, gateway_demo: Gateway
) -> Path:
    """The reader's working directory, with the files that the guide requires."""
    identity.register_endpoint("metric-storage", "aetos", gateway_demo.url)
    write_openrc(tmp_path / "project.openrc", people.a, keystone)
    write_openrc(tmp_path / "admin.openrc", people.admin, keystone)
    (tmp_path / "grafana-token").write_text("glsa_admin\n")
    return tmp_path


def test_the_commands_of_the_guide(folder, people):
    blocks = BLOCK.findall(GUIDE.read_text())
    assert len(blocks) == 4
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CHRYSAETOS_"))}
    environment = {**kept, "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "NO_PROXY": "127.0.0.1"}
    with GrafanaFake(GrafanaData()) as grafana:
        script = "set -e\n" + "".join(blocks).replace("https://grafana.example", grafana.root_url)
        done = run(["bash", "-c", script], cwd=folder, env=environment)
    assert done.status == 0, done.printed + done.err
    assert done.err == ""
    for line in ("new: dashboards/vms-ceilometer.json", "folder OpenStack metrics", "15 rules found"):
        assert line in done.printed
    for directory, projects in (
        ("grafana", {people.a.project_id}),
        ("operator", {people.a.project_id, people.b.project_id}),
    ):
        (path,) = (folder / directory / "provisioning" / "datasources").iterdir()
        (source,) = yaml.safe_load(path.read_text())["datasources"]
        auth = source["basicAuthUser"], source["secureJsonData"]["basicAuthPassword"]
        query = {"query": "count by (project) (ceilometer_cpu)"}
        answer = requests.get(f"{source['url']}/api/v1/query", query, auth=auth, timeout=30).json()
        assert {series["metric"]["project"] for series in answer["data"]["result"]} == projects
    assert [path.name for path in (folder / "grafana" / "dashboards").iterdir()] == ["vms-ceilometer.json"]
    assert set(grafana.data.dashboards) == {"chrysaetos-vms-ceilometer"}
