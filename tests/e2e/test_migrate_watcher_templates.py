"""Move configurations of deployment tools; the Watcher of each release reads them before and after."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.watcher_engine import environment_of
from tests.migrate.templates import TEMPLATES
from tests.support.commands import run
from tests.support.releases import WATCHER

from chrysaetos.migrate.watcher_releases import FIRST_RELEASE

if TYPE_CHECKING:
    from pathlib import Path

# Reads the options as Watcher registers them, and lets it validate the datasources as for an audit.
READER = """
import json, sys
from watcher.common import clients, service
from watcher import conf
from watcher.decision_engine.datasources.manager import DataSourceManager
CONF = conf.CONF
CONF(["--config-file", sys.argv[1]], project="watcher", default_config_files=[], default_config_dirs=[])
manager = DataSourceManager(config=CONF.watcher_datasources, osc=clients.OpenStackClients())
print(json.dumps([manager.datasources, dict(CONF.aetos_client)]))
"""

DEFAULTS = {
    "interface": "public",
    "region_name": None,
    "fqdn_label": "fqdn",
    "instance_uuid_label": "resource",
}
PROMETHEUS = {
    "devstack": ["prometheus"],
    "kolla-ansible": ["prometheus", "gnocchi"],
    "watcher-operator": ["prometheus"],
    "watcher-operator, application credential": ["prometheus"],
    "charm": ["gnocchi", "prometheus"],
    "openstack-helm": ["prometheus"],
}
AETOS: dict[str, tuple[list[str], dict[str, str]]] = {
    "devstack": (["aetos"], {}),
    "kolla-ansible": (["aetos", "gnocchi"], {"fqdn_label": "instance"}),
    "kolla-ansible, default datasources": (["gnocchi", "grafana", "aetos"], {}),
    "watcher-operator": (["aetos"], {"region_name": "regionOne"}),
    "watcher-operator, application credential": (["aetos"], {"region_name": "regionOne"}),
    "charm": (["gnocchi", "aetos"], {"instance_uuid_label": "vm_uuid"}),
    "puppet": (["gnocchi", "grafana", "aetos"], {"fqdn_label": "fqdn_host"}),
    "openstack-helm": (["aetos"], {"instance_uuid_label": "vm_uuid"}),
}
ENDPOINT_TYPE = ("[aetos_client] endpoint_type has no effect", "write interface = internal, or remove it")
IGNORED = {
    "watcher-operator": [ENDPOINT_TYPE],
    "watcher-operator, application credential": [ENDPOINT_TYPE],
    "puppet": [
        ("[datasources] has no effect", "move its options to [watcher_datasources], or remove the section")
    ],
}
"""What is found of the options that Watcher ignores, and the remedy."""


def in_environment(release: int, program: str, *arguments: str) -> Any:
    environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"}
    return run([environment_of(str(release)) / program, *arguments], env=environment, timeout=120)


def read(release: int, path: Path) -> tuple[list[str], dict[str, Any]]:
    """Return the datasources and ``[aetos_client]``, as the release reads them."""
    printed = in_environment(release, "python", "-c", READER, str(path)).out
    datasources, client = json.loads(printed.splitlines()[-1])
    return datasources, {key: client[key] for key in DEFAULTS}


@pytest.mark.parametrize("release", [release for release in WATCHER if release >= FIRST_RELEASE])
@pytest.mark.parametrize("tool", TEMPLATES)
def test_watcher_reads_the_configuration_before_and_after(release: int, tool: str, tmp_path: Path) -> None:
    path = tmp_path / "watcher.conf"
    path.write_text(TEMPLATES[tool])
    if tool in PROMETHEUS:
        assert read(release, path)[0] == PROMETHEUS[tool]
    command = ["migrate", "watcher", "apply", "--conf", str(path), "--offline", "--yes", "-f", "json"]
    report = in_environment(release, "chrysaetos", *command).json
    ignored = [finding for finding in report["findings"] if finding["check"] == "ignored"]
    for finding, (found, remedy) in zip(ignored, IGNORED.get(tool, []), strict=True):
        assert found in finding["found"]
        assert finding["remedy"] == remedy
    datasources, client = AETOS[tool]
    assert read(release, path) == (datasources, {**DEFAULTS, **client})


@pytest.mark.parametrize("release", WATCHER)
def test_a_list_that_watcher_refuses_is_not_called_good(release: int, tmp_path: Path) -> None:
    path = tmp_path / "watcher.conf"
    path.write_text("[watcher_datasources]\ndatasources = Aetos\n")
    assert in_environment(release, "python", "-c", READER, str(path)).status != 0
    for action in ("check", "verify"):
        offline = ["--offline"] if action == "check" else []
        command = ["migrate", "watcher", action, "--conf", str(path), *offline, "-f", "json"]
        done = in_environment(release, "chrysaetos", *command)
        assert done.status == 1
        failed = [f for f in json.loads(done.printed)["findings"] if f["check"] == "datasources"]
        assert [f["status"] for f in failed] == ["failed"]
        assert f"Watcher {release} does not accept" in failed[0]["found"]
