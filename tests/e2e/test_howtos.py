"""Run the commands of each how-to in order, except those with a reason, against shared servers."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.asking import password_variables
from tests.e2e.howto import find_commands
from tests.support.commands import run

from chrysaetos.demo.processes import LOOPBACK

if TYPE_CHECKING:
    from tests.e2e.stack import People

    from chrysaetos.demo.gateway import Gateway
    from chrysaetos.demo.identities import IdentityApi
    from chrysaetos.demo.keystone import Keystone

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))

INSTALLED = "the package is installed"
NO_DOCKER = "needs Docker"
KEEPS_RUNNING = "a server that keeps running; the tests of its package start it"
MACHINE = "changes users, services or programs of the machine"
NO_WATCHER = "needs Watcher's API; tests/e2e/test_watcher.py runs the strategies"
MIGRATION = "needs an installed service; tests/e2e/test_migrate_*.py run it on Watcher and on CloudKitty"
ELSEWHERE = {
    "client.md": "tests/e2e/test_client_sdk.py runs its Python",
    "grafana.md": "tests/e2e/test_grafana_guide.py runs it, without Grafana itself",
    "install.md": "tests/e2e/test_install_guide.py runs it",
}
"""The pages that have a test of their own."""
NOTHING_RUNS = {
    "aodh.md": "tests/e2e/test_aodh.py runs Aodh's evaluator with the gateway",
    "cloudkitty-collector.md": "tests/e2e/test_cloudkitty.py runs CloudKitty with the collectors",
    "cloudkitty-fetchers.md": "tests/e2e/test_cloudkitty.py runs CloudKitty with the fetchers",
    "look-at-metrics.md": "for a browser; tests/e2e/test_web_page.py uses the page",
    "moving-cloudkitty.md": MIGRATION,
    "watcher.md": NO_WATCHER,
}
"""The other pages without a command that runs here."""


@dataclass(frozen=True)
class Guide:
    """What is special about a page.

    Attributes:
        not_run: the reason for each beginning of commands that are not run.
        replaced: texts of the commands, and what they are here. ``{name}`` is a value of the servers.
        before: shell commands for what the page requires.
    """

    not_run: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    before: str = ""


CHECK = {"/etc/chrysaetos/aetos.conf": "{config}"}
TOKENS = {"federate token new": "federate token new --tokens tokens.json"}
CERTIFICATE = """\
mkdir -p alpha/haproxy
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=gate -keyout gate.key -out gate.crt 2>/dev/null
cat gate.crt gate.key > alpha/haproxy/gate.pem
"""
INIT = (
    "conf --keystone-url {keystone} --public-url https://cloud.example/metric-storage --prometheus-url "
    "http://127.0.0.1:9090"
)

GUIDES = {
    "aodh.md": Guide({"pip install": INSTALLED}),
    "cli.md": Guide(
        {
            "python3 -m venv": INSTALLED,
            ". ~/chrysaetos/bin/activate": INSTALLED,
            "pip install": INSTALLED,
            "chrysaetos top --os-auth-url …": "the reader's own values",
        },
        {"https://prometheus.example:9090 --os-cacert ca.pem": "{prometheus}"},
        "mkdir -p ~/.config/fish/completions",
    ),
    "cloudkitty-collector.md": Guide({"pip install": INSTALLED}),
    "configure.md": Guide({}, CHECK),
    "engines.md": Guide({"systemctl": MACHINE}, CHECK),
    "federation-portal.md": Guide(
        {
            "prometheus --config.file": KEEPS_RUNNING,
            "GRAFANA_PASSWORD=… docker": NO_DOCKER,
            "export CHRYSAETOS_SOURCE": NO_DOCKER,
            "docker": NO_DOCKER,
        }
    ),
    "federation-site.md": Guide(
        {
            "chrysaetos demo --sites": KEEPS_RUNNING,
            "useradd": MACHINE,
            "chown": MACHINE,
            "chmod": MACHINE,
            "install -m": MACHINE,
            "systemctl": MACHINE,
            "CHRYSAETOS_SOURCE=~/chrysaetos docker": NO_DOCKER,
            "curl -sS -G": "needs a running gate; tests/e2e/test_federation_gate.py asks one",
        },
        {
            f"token {each}": f"token {each} --tokens tokens.json"
            for each in ("new", "list", "rotate", "revoke")
        },
        CERTIFICATE,
    ),
    "moving-cloudkitty.md": Guide({"chrysaetos migrate": MIGRATION, "systemctl": MACHINE}),
    "moving-from-aetos.md": Guide(
        {
            "python3 -m venv": INSTALLED,
            "/opt/chrysaetos/bin/pip install": INSTALLED,
            "ln -s": INSTALLED,
            "chrysaetos gateway --config-file": KEEPS_RUNNING,
            "systemctl": MACHINE,
        },
        {
            "http://127.0.0.1:8043": "{gateway}",
            "/opt/chrysaetos/share/chrysaetos": "{root}",
            "> /etc/systemd/system/": "> ",
        },
    ),
    "moving-from-haproxy.md": Guide(
        {
            "useradd": MACHINE,
            "chown": MACHINE,
            "chmod": MACHINE,
            "install -m": MACHINE,
            "systemctl": MACHINE,
        },
        TOKENS,
    ),
    "moving-watcher.md": Guide(
        {
            "pip install": INSTALLED,
            "chrysaetos migrate": MIGRATION,
            "systemctl": MACHINE,
            "sudo": MACHINE,
            "openstack metric query 'group by (fqdn) (up)'": "the store has no series up",
            "openstack optimize": NO_WATCHER,
            "openstack hypervisor": "needs Nova",
            "openstack service create": "tests/e2e/test_install_guide.py registers the gateway",
            "openstack endpoint create": "tests/e2e/test_install_guide.py registers the gateway",
            "openstack role add": "tests/e2e/test_migrate_watcher.py runs it",
        },
    ),
    "operate.md": Guide(
        {"chrysaetos gateway init --system": "tests/e2e/test_install.py connects several gateways"},
        {
            "--unix-socket /run/chrysaetos/gateway.sock http://localhost": "{gateway}",
            "/etc/chrysaetos": "deploy",
            "/etc/prometheus/prometheus.yml": "prometheus.yml",
        },
        "ln -s {root}/deploy; echo 'rule_files: [deploy/prometheus/alerts.yml]' > prometheus.yml",
    ),
    "packages.md": Guide(
        {
            "make": "make deb-check runs both",
            "apt install": "make deb-check installs and upgrades the package",
            "chrysaetos gateway init --system": "tests/e2e/test_install_guide.py runs it",
            "systemctl": MACHINE,
            "sudo systemctl": MACHINE,
            "podman": "needs Podman; tests/packages/test_containerfile.py reads the file",
            "mkdir": "for Podman",
            "chown": "for Podman",
            "git -C": "needs DevStack; tests/packages/devstack runs the plugin",
            "kolla-ansible": "needs kolla-ansible; tests/packages/test_deployment_tools.py reads the files",
            "kubectl": "needs Kubernetes; tests/packages/test_deployment_tools.py reads the files",
            "helm": "needs Kubernetes; tests/packages/test_deployment_tools.py reads the files",
        },
        {" --register": ""},  # tests/e2e/test_install_guide.py registers the gateway
        "cp project.openrc admin-openrc",
    ),
    "plan-capacity.md": Guide(
        {"make .venv/dev": INSTALLED},
        {
            ".venv/bin/python -m": "PYTHONPATH={root} python -m",
            "50:50:20 --clients 50 --seconds 3": "3:3:5 --clients 3 --seconds 1",
        },
    ),
    "tls.md": Guide({}, CHECK),
    "troubleshooting.md": Guide({}, {**CHECK, " --user chrysaetos": ""}),
    "usage.md": Guide(
        {
            "pip install": INSTALLED,
            "chrysaetos usage check": "needs Nova; tests/e2e/test_usage.py runs it",
            "chrysaetos usage --os-cloud": KEEPS_RUNNING,
            "systemctl": MACHINE,
        },
        {"/var/lib/chrysaetos-usage": "state", "/var/backups/chrysaetos-usage": "backup"},
        "ln -s {root}/docs; mkdir state",
    ),
    "use.md": Guide({}, {each: each.replace("https:", "http:") for each in ("https://$ID", "#https://")}),
    "watcher.md": Guide({"pip install": INSTALLED, "openstack optimize": NO_WATCHER}),
    "web-page.md": Guide(
        {"systemctl reload": MACHINE},
        {"gateway init --web": f"gateway init {INIT} --web", "-g chrysaetos ": "", "/etc/chrysaetos": "conf"},
    ),
}


@pytest.fixture(scope="module")
def values(keystone: Keystone, identity: IdentityApi, gateway_demo: Gateway) -> dict[str, str]:
    """The servers, for replacements."""
    identity.register_endpoint("metric-storage", "aetos", gateway_demo.url)
    return {
        "keystone": keystone.url,
        "gateway": gateway_demo.url,
        "prometheus": gateway_demo._prometheus.geturl(),
        "config": str(gateway_demo.config_file),
        "root": str(ROOT),
    }


@pytest.fixture
def environment(tmp_path: Path, keystone: Keystone, people: People, values: dict[str, str]) -> dict[str, str]:
    """The environment of tenant A, with the cloud ``mycloud`` and the file ``project.openrc``."""
    login = password_variables(keystone.url, people.a)
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in login.items())
    (tmp_path / "project.openrc").write_text("".join(lines))
    auth = {"auth_url": keystone.url, "user_id": people.a.user_id, "password": people.a.password}
    cloud = {"auth": auth | {"project_id": people.a.project_id}, "region_name": login["OS_REGION_NAME"]}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"mycloud": cloud}}))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CHRYSAETOS_"))}
    credential = people.a.application_credential
    assert credential is not None
    return {
        **kept,
        **login,
        "ID": credential.id,
        "SECRET": credential.secret,
        "GATEWAY": values["gateway"],
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "NO_PROXY": LOOPBACK,
    }


def test_the_reasons_name_pages_and_tests_that_exist():
    known = {*ELSEWHERE, *NOTHING_RUNS, *GUIDES}
    assert known <= {page.name for page in PAGES}
    guides = (reason for guide in GUIDES.values() for reason in guide.not_run.values())
    reasons = " ".join((*ELSEWHERE.values(), *NOTHING_RUNS.values(), *guides))
    assert all(any(ROOT.glob(name)) for name in re.findall(r"tests/[\w/*]+\.py", reasons))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_command_runs_or_has_a_reason(page, environment, values, tmp_path):
    guide, commands = GUIDES.get(page.name, Guide()), find_commands(page.read_text(encoding="utf-8"))
    if page.name in ELSEWHERE:
        pytest.skip(ELSEWHERE[page.name])
    for begin in guide.not_run:
        assert any(command.startswith(begin) for command in commands), f"{begin} is not in {page.name}"
    chosen = "\n".join(command for command in commands if not command.startswith(tuple(guide.not_run)))
    if page.name in NOTHING_RUNS:
        assert not chosen, f"{page.name} has commands that can run"
        pytest.skip(NOTHING_RUNS[page.name])
    assert chosen, f"{page.name} has no command that runs: give the reason in NOTHING_RUNS"
    for text, replacement in guide.replaced.items():
        assert text in chosen, f"{text} is not in {page.name}"
        chosen = chosen.replace(text, replacement.format(**values))
    script = f"set -eo pipefail\n{guide.before.format(**values)}\nset -x\n{chosen}\n"
    done = run(["bash", "-c", script], cwd=tmp_path, env=environment, timeout=280)
    assert done.status == 0, done.printed + done.err
