"""The examples for kolla-ansible and openstack-helm."""

import re
import shutil

import jinja2
import pytest
import trustme
import yaml
from oslo_config import cfg
from tests.support.commands import run
from tools.pythons import ROOT

from chrysaetos.cloudkitty.common.options import list_opts as cloudkitty_opts
from chrysaetos.watcher.options import list_opts as watcher_opts

KOLLA = ROOT / "deploy" / "kolla-ansible"
HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin") or ""
HELM = ROOT / "deploy" / "openstack-helm"
# What kolla-ansible knows when it fills in its templates.
CLOUD = {
    "groups": {"control": ["one", "two"]},
    "kolla_enable_tls_external": True,
    "kolla_enable_tls_internal": False,
    "kolla_external_vip_address": "127.0.0.1",
    "kolla_internal_vip_address": "127.0.0.2",
    "openstack_region_name": "RegionOne",
}


def render(name):
    """Render a template as Ansible does."""
    environment = jinja2.Environment(  # noqa: S701  # no HTML
        trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {
        "bool": bool,
        "kolla_address": lambda _network, host: {"one": "192.0.2.11", "two": "192.0.2.12"}[host],
        "put_address_in_context": lambda address, _context: address,
    }
    return environment.from_string((KOLLA / "config" / name).read_text()).render(CLOUD)


def options_of(text, path):
    path.write_text(text)
    parsed = cfg.ConfigParser(str(path), {})
    parsed.parse()
    return {
        (group, name): values[-1]
        for group, names in parsed.sections.items()
        for name, values in names.items()
    }


def check_options(options, known, own):
    """Fail if an option is neither ours nor one of those that the service itself has."""
    ours = {(group, option.dest) for group, registered in known for option in registered}
    assert set(options) - ours == own


@pytest.mark.skipif(not HAPROXY, reason="HAProxy is not installed")
def test_haproxy_accepts_what_kolla_adds(tmp_path):
    text = render("haproxy/services.d/chrysaetos.cfg")
    assert "server two 192.0.2.12:8042 check" in text
    certificate = tmp_path / "haproxy.pem"
    trustme.CA().issue_cert("cloud.example").private_key_and_cert_chain_pem.write_to_path(certificate)
    assert "bind 127.0.0.1:8042 ssl crt /etc/haproxy/certificates/haproxy.pem" in text
    assert "bind 127.0.0.2:8042\n" in text
    defaults = (
        "global\n log 127.0.0.1 local0\ndefaults\n log global\n timeout connect 5s\n timeout client 60s\n"
        " timeout server 60s\n timeout http-request 10s\n"
    )
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(
        defaults + text.replace("/etc/haproxy/certificates/haproxy.pem", str(certificate))
    )
    done = run([HAPROXY, "-c", "-f", configuration])
    assert (done.status, re.findall("(?i)warning.*", done.err)) == (0, []), done.err


def test_kollas_prometheus_scrapes_each_gateway():
    (job,) = yaml.safe_load(render("prometheus/prometheus.yml.d/chrysaetos.yml"))["scrape_configs"]
    assert job["job_name"] == "chrysaetos"
    assert job["static_configs"] == [{"targets": ["192.0.2.11:9102", "192.0.2.12:9102"]}]


def test_kollas_watcher_and_cloudkitty_get_options_that_exist(tmp_path):
    watcher = options_of(render("watcher/watcher-engine.conf"), tmp_path / "watcher.conf")
    own = {
        ("aetos_client", name) for name in ("interface", "region_name", "fqdn_label", "instance_uuid_label")
    }
    check_options(watcher, watcher_opts(), {("watcher_datasources", "datasources"), *own})
    cloudkitty = options_of(render("cloudkitty/cloudkitty-processor.conf"), tmp_path / "cloudkitty.conf")
    check_options(cloudkitty, cloudkitty_opts(), {("collect", "collector"), ("collect", "scope_key")})


def test_helms_watcher_and_cloudkitty_get_the_same_options_as_kollas(tmp_path):
    def values(name):
        ((service, groups),) = yaml.safe_load((HELM / "values" / f"{name}.yaml").read_text())["conf"].items()
        assert service == name
        return {(group, key): value for group, options in groups.items() for key, value in options.items()}

    for name, file in (("watcher", "watcher-engine"), ("cloudkitty", "cloudkitty-processor")):
        kolla = options_of(render(f"{name}/{file}.conf"), tmp_path / f"{name}.conf")
        assert values(name) == kolla


def test_the_pods_match_the_service_and_the_network_policy():
    deployment, service, disruption = yaml.safe_load_all((HELM / "gateway.yaml").read_text())
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert disruption["spec"]["selector"]["matchLabels"] == labels
    policy = yaml.safe_load((HELM / "values" / "prometheus.yaml").read_text())["network_policy"]["prometheus"]
    assert policy["ingress"][0]["from"][1]["podSelector"]["matchLabels"] == labels
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["metrics"] == int(pod["metadata"]["annotations"]["prometheus.io/port"])
    assert service["spec"]["ports"][0]["targetPort"] in ports
    image = (ROOT / "Containerfile").read_text()
    assert f"EXPOSE {ports['api']} {ports['metrics']}\n" in image
    assert f"USER {pod['spec']['securityContext']['runAsUser']}:" in image
