"""The DevStack plugin, sourced as DevStack does, with the functions of ``devstack/functions``.

With the path of a checkout of DevStack in ``CHRYSAETOS_DEVSTACK``, also with DevStack's own functions.
"""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from oslo_config import cfg
from tests.support.commands import run
from tools.pythons import ROOT

from chrysaetos.gateway.options import list_opts

FUNCTIONS = Path(__file__).parent / "devstack" / "functions"
RUN = """
set -o errexit
source "$FUNCTIONS"
source "$PLUGIN/override-defaults"
source "$PLUGIN/settings"
for phase in $PHASES; do source "$PLUGIN/plugin.sh" ${phase/-/ }; done
"""
STACK = "stack-pre-install stack-install stack-post-config stack-extra stack-test-config"


class DevStack:
    """Runs phases and keeps what the plugin did."""

    def __init__(self, folder, checkout):
        self.folder = folder
        self.checkout = checkout
        self.config = folder / "etc" / "aetos.conf"
        self.calls: list[str] = []
        program = folder / "bin" / "chrysaetos"
        program.parent.mkdir()
        program.write_text('#!/bin/sh\necho "chrysaetos $*" >>"$CALLS"\n')
        program.chmod(0o755)

    def run(self, phases, **variables):
        """Run phases, and return the output. ``calls`` has what the plugin called in this run."""
        calls = self.folder / "calls"
        calls.write_text("")
        done = run(
            ["bash", "-c", RUN],
            env={
                **os.environ,
                "CALLS": str(calls),
                "CHRYSAETOS_CONF_DIR": str(self.config.parent),
                "CHRYSAETOS_DIR": str(ROOT),
                "DEVSTACK": self.checkout,
                "DEVSTACK_VENV": str(self.folder),
                "ENABLED_SERVICES": "key",
                "ENABLE_DEBUG_LOG_LEVEL": "True",
                "FOLDER": str(self.folder),
                "FUNCTIONS": str(FUNCTIONS),
                "HOST_IP": "192.0.2.1",
                "OWNER": Path("/proc/self").owner(),
                "PHASES": phases,
                "PLUGIN": str(ROOT / "devstack"),
                "REGION_NAME": "RegionOne",
                "SERVICE_HOST": "192.0.2.1",
                "SERVICE_PASSWORD": "secret",
                "SERVICE_TIMEOUT": "60",
                "SSL_BUNDLE_FILE": str(self.folder / "ca-bundle.pem"),
                "STACK_USER": Path("/proc/self").owner(),
                **variables,
            },
        )
        self.calls = calls.read_text().splitlines()
        return done


@pytest.fixture(params=["substitutes", "checkout"])
def devstack(request, tmp_path):
    checkout = os.environ.get("CHRYSAETOS_DEVSTACK", "") if request.param == "checkout" else ""
    if request.param == "checkout" and not checkout:
        pytest.skip("CHRYSAETOS_DEVSTACK does not name a checkout of DevStack")
    return DevStack(tmp_path, checkout)


def options_of(path):
    """Read a configuration, and return the groups with their set options; unknown ones are an error."""
    parsed = cfg.ConfigParser(str(path), {})
    parsed.parse()
    known = {(group or "DEFAULT", option.dest) for group, options in list_opts() for option in options}
    found = {
        (group, name): values[-1]
        for group, options in parsed.sections.items()
        for name, values in options.items()
    }
    services = {("DEFAULT", "debug"), ("oslo_policy", "policy_file")}
    assert {option for option in found if option[0] != "keystone_authtoken"} <= known | services
    return found


def test_stack_installs_configures_registers_starts_and_asks(devstack):
    devstack.run(STACK).out  # noqa: B018  # fails if the command did
    url = "http://192.0.2.1:8042"
    program = devstack.folder / "bin" / "chrysaetos"
    assert devstack.calls == [
        "define_plugin chrysaetos",
        "install_package prometheus",
        f"setup_package {ROOT} -e cli,gateway,memcached",
        "create_service_user chrysaetos",
        "get_or_create_service aetos metric-storage Prometheus metrics",
        f"get_or_create_endpoint metric-storage RegionOne {url} {url} {url}",
        "sudo tee /etc/default/prometheus",
        "sudo tee /etc/prometheus/prometheus.yml",
        "restart_service prometheus",
        f"run_process chrysaetos {program} gateway --config-file {devstack.config}",
        f"wait_for_service 60 {url}/-/ready",
        "chrysaetos query vector(1) --os-cloud devstack",
    ]
    options = options_of(devstack.config)
    assert options["keystone_authtoken", "username"] == "chrysaetos"
    assert ("keystone_authtoken", "cafile") not in options  # there is no such file without TLS
    assert options["gateway", "host"] == "192.0.2.1"
    assert options["gateway", "port"] == "8042"
    assert (options["prometheus", "host"], options["prometheus", "port"]) == ("127.0.0.1", "9090")
    assert yaml.safe_load(Path(options["oslo_policy", "policy_file"]).read_text()) == {}
    assert devstack.config.stat().st_mode & 0o777 == 0o640


def test_prometheus_listens_on_loopback_and_scrapes_the_gateway(devstack):
    devstack.run(STACK).out  # noqa: B018  # fails if the command did
    assert (devstack.folder / "prometheus").read_text() == 'ARGS="--web.listen-address=127.0.0.1:9090"\n'
    jobs = yaml.safe_load((devstack.folder / "prometheus.yml").read_text())["scrape_configs"]
    assert jobs[1]["static_configs"] == [{"targets": ["127.0.0.1:9102"]}]
    assert options_of(devstack.config)["gateway", "metrics_port"] == "9102"


def test_with_tls_the_gateway_listens_behind_the_proxy(devstack):
    authorities = devstack.folder / "ca-bundle.pem"
    authorities.touch()
    devstack.run(STACK, ENABLED_SERVICES="key,tls-proxy").out  # noqa: B018  # fails if the command did
    options = options_of(devstack.config)
    assert options["gateway", "port"] == "18042"
    assert options["keystone_authtoken", "cafile"] == str(authorities)
    assert "start_tls_proxy chrysaetos * 8042 192.0.2.1 18042" in devstack.calls
    assert "wait_for_service 60 https://192.0.2.1:8042/-/ready" in devstack.calls


def test_a_gateway_that_does_not_get_ready_stops_devstack(devstack):
    done = devstack.run(STACK, NOT_READY="1")
    assert done.status == 1
    assert "The gateway is not ready" in done.err


def test_a_disabled_service_does_nothing(devstack, tmp_path):
    plugin = tmp_path / "plugin"
    shutil.copytree(ROOT / "devstack", plugin)
    settings = plugin / "settings"
    settings.write_text(settings.read_text().replace("enable_service chrysaetos ", "enable_service "))
    devstack.run(f"{STACK} unstack clean", PLUGIN=str(plugin)).out  # noqa: B018  # fails if the command did
    assert devstack.calls == ["define_plugin chrysaetos"]


def test_unstack_and_clean_take_everything_back(devstack):
    devstack.run(STACK).out  # noqa: B018  # fails if the command did
    devstack.run("unstack clean").out  # noqa: B018  # fails if the command did
    assert devstack.calls[1:] == [
        "stop_process chrysaetos",
        "stop_service prometheus",
        "uninstall_package prometheus",
    ]
    assert not devstack.config.parent.exists()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@pytest.mark.parametrize(
    "script",
    [
        *sorted((ROOT / "devstack").iterdir()),
        FUNCTIONS,
        ROOT / "tools" / "debian-check.sh",
        ROOT / "debian" / "chrysaetos.postinst",
        ROOT / "debian" / "chrysaetos.postrm",
    ],
    ids=lambda path: path.name,
)
def test_shellcheck_finds_nothing(script):
    assert run(["shellcheck", script]).out == ""
