"""Move configurations of deployment tools; the Watcher of each release reads them before and after."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.watcher_engine import environment_of
from tests.migrate.templates import TEMPLATES
from tests.support.commands import run
from tests.support.releases import WATCHER

from chrysaetos.migrate.watcher_releases import FIRST_RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Reads each file's options as Watcher registers them, and lets it validate the datasources as for an audit.
READER = """
import json, os, sys
from watcher.common import clients, service
from watcher import conf
from watcher.decision_engine.datasources.manager import DataSourceManager
CONF = conf.CONF
for line in sys.stdin:
    child = os.fork()  # options stay registered, such as those of a way to log in
    if child:
        os.waitpid(child, 0)
        continue
    arguments = ["--config-file", line.rstrip()]
    try:
        CONF(arguments, project="watcher", default_config_files=[], default_config_dirs=[])
        manager = DataSourceManager(config=CONF.watcher_datasources, osc=clients.OpenStackClients())
        print("READ", json.dumps([manager.datasources, dict(CONF.aetos_client)]), flush=True)
    except Exception as error:
        print("REFUSED", error, flush=True)
    os._exit(0)
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

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"}


def chrysaetos(release: int, *arguments: str) -> Any:
    return run([environment_of(str(release)) / "chrysaetos", *arguments], env=ENVIRONMENT, timeout=120)


class Reader:
    """Watcher of a release in a process of its own, since it takes seconds to import.

    Args:
        release: the release.
    """

    def __init__(self, release: int) -> None:
        self._process = subprocess.Popen(
            [environment_of(str(release)) / "python", "-c", READER],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, path: Path) -> tuple[str, str]:
        """Return READ or REFUSED, and the configuration or the reason."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(path, file=self._process.stdin, flush=True)
        for line in iter(self._process.stdout.readline, ""):
            outcome, _, rest = line.partition(" ")
            if outcome in {"READ", "REFUSED"}:
                return outcome, rest
        pytest.fail(f"Watcher ended with the status {self._process.wait()}; its error is above")

    def read(self, path: Path) -> tuple[list[str], dict[str, Any]]:
        """Return the datasources and ``[aetos_client]``, as the release reads them."""
        outcome, found = self.ask(path)
        assert outcome == "READ", found
        datasources, client = json.loads(found)
        return datasources, {key: client[key] for key in DEFAULTS}

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def readers() -> Iterator[dict[int, Reader]]:
    """Watcher of each release."""
    found = {release: Reader(release) for release in WATCHER}
    yield found
    for reader in found.values():
        reader.close()


@pytest.mark.parametrize("release", [release for release in WATCHER if release >= FIRST_RELEASE])
@pytest.mark.parametrize("tool", TEMPLATES)
def test_watcher_reads_the_configuration_before_and_after(
    release: int, tool: str, readers: dict[int, Reader], tmp_path: Path
) -> None:
    path = tmp_path / "watcher.conf"
    path.write_text(TEMPLATES[tool])
    if tool in PROMETHEUS:
        assert readers[release].read(path)[0] == PROMETHEUS[tool]
    command = ["migrate", "watcher", "apply", "--conf", str(path), "--offline", "--yes", "-f", "json"]
    report = chrysaetos(release, *command).json
    ignored = [finding for finding in report["findings"] if finding["check"] == "ignored"]
    for finding, (found, remedy) in zip(ignored, IGNORED.get(tool, []), strict=True):
        assert found in finding["found"]
        assert finding["remedy"] == remedy
    datasources, client = AETOS[tool]
    assert readers[release].read(path) == (datasources, {**DEFAULTS, **client})


@pytest.mark.parametrize("release", WATCHER)
def test_a_list_that_watcher_refuses_is_not_called_good(
    release: int, readers: dict[int, Reader], tmp_path: Path
) -> None:
    path = tmp_path / "watcher.conf"
    path.write_text("[watcher_datasources]\ndatasources = Aetos\n")
    outcome, reason = readers[release].ask(path)
    assert outcome == "REFUSED"
    assert "but found 'Aetos'" in reason
    for action in ("check", "verify"):
        offline = ["--offline"] if action == "check" else []
        command = ["migrate", "watcher", action, "--conf", str(path), *offline, "-f", "json"]
        done = chrysaetos(release, *command)
        assert done.status == 1
        failed = [f for f in json.loads(done.printed)["findings"] if f["check"] == "datasources"]
        assert [f["status"] for f in failed] == ["failed"]
        assert f"Watcher {release} does not accept" in failed[0]["found"]
