"""Move configurations of deployment tools; the Watcher of each release reads them before and after."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.watcher_engine import warm_python
from tests.migrate.templates import TEMPLATES
from tests.support.releases import WATCHER

from chrysaetos.migrate.watcher_releases import FIRST_RELEASE

if TYPE_CHECKING:
    from tests.support.commands import Output

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).with_name("watcher_inside.py")

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

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Environment:
    """The environment of a release, in forks of a process that has imported Watcher.

    Args:
        release: the release.
    """

    def __init__(self, release: int) -> None:
        self._python = warm_python(str(release), "tests.e2e.watcher_inside")

    def chrysaetos(self, *arguments: str) -> Output:
        """Run ``chrysaetos`` there."""
        return self._python.run(["-m", "chrysaetos", *arguments], env=ENVIRONMENT, cwd=ROOT)

    def ask(self, path: Path) -> Output:
        """Let Watcher read a configuration."""
        return self._python.run([INSIDE, path], env=ENVIRONMENT, cwd=ROOT)

    def read(self, path: Path) -> tuple[list[str], dict[str, Any]]:
        """Return the datasources and ``[aetos_client]``, as the release reads them."""
        datasources, client = json.loads(self.ask(path).out.splitlines()[-1])
        return datasources, {key: client[key] for key in DEFAULTS}


@pytest.mark.parametrize("release", [release for release in WATCHER if release >= FIRST_RELEASE])
@pytest.mark.parametrize("tool", TEMPLATES)
def test_watcher_reads_the_configuration_before_and_after(release: int, tool: str, tmp_path: Path) -> None:
    environment = Environment(release)
    path = tmp_path / "watcher.conf"
    path.write_text(TEMPLATES[tool])
    if tool in PROMETHEUS:
        assert environment.read(path)[0] == PROMETHEUS[tool]
    command = ["migrate", "watcher", "apply", "--conf", str(path), "--offline", "--yes", "-f", "json"]
    report = environment.chrysaetos(*command).json
    ignored = [finding for finding in report["findings"] if finding["check"] == "ignored"]
    for finding, (found, remedy) in zip(ignored, IGNORED.get(tool, []), strict=True):
        assert found in finding["found"]
        assert finding["remedy"] == remedy
    datasources, client = AETOS[tool]
    assert environment.read(path) == (datasources, {**DEFAULTS, **client})


@pytest.mark.parametrize("release", WATCHER)
def test_a_list_that_watcher_refuses_is_not_called_good(release: int, tmp_path: Path) -> None:
    environment = Environment(release)
    path = tmp_path / "watcher.conf"
    path.write_text("[watcher_datasources]\ndatasources = Aetos\n")
    refused = environment.ask(path)
    assert refused.status == 1
    assert "but found 'Aetos'" in refused.err
    for action in ("check", "verify"):
        offline = ["--offline"] if action == "check" else []
        command = ["migrate", "watcher", action, "--conf", str(path), *offline, "-f", "json"]
        done = environment.chrysaetos(*command)
        assert done.status == 1
        failed = [f for f in json.loads(done.printed)["findings"] if f["check"] == "datasources"]
        assert [f["status"] for f in failed] == ["failed"]
        assert f"Watcher {release} does not accept" in failed[0]["found"]
